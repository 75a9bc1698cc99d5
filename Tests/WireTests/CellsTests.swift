import CCells
import Foundation
import Testing

/// What libnghttp2 allocates through. `HOMING_CELLS_KEPT` and the sizes are those of CCells.h. Each test has a thread of its
/// own, since that is who keeps cells.
@Suite struct CellsTests {
    @Test(.enabled(if: homing_cells_are_kept()))
    func `a cell that was given back is the next one of its size`() async {
        await onOwnThread {
            for size in [1, 16, 17, 24, 25, 100, 1_000, 1_024] {
                let first = unsafe homing_cells_malloc(size, nil)
                unsafe homing_cells_free(first, nil)
                let second = unsafe homing_cells_malloc(size, nil)
                #expect(unsafe first == second, "size \(size)")
                unsafe homing_cells_free(second, nil)
            }
        }
    }

    @Test(.enabled(if: homing_cells_are_kept()))
    func `what is kept is bounded, and large pieces are not kept`() async {
        await onOwnThread {
            let large = unsafe homing_cells_malloc(4_096, nil)
            unsafe homing_cells_free(large, nil)
            #expect(homing_cells_kept() == 0)
            let most = Int(HOMING_CELLS_KEPT)
            let cells = unsafe (0..<2 * most / 512).map { _ in unsafe homing_cells_malloc(512, nil) }
            unsafe cells.forEach { unsafe homing_cells_free($0, nil) }
            #expect(homing_cells_kept() <= most && homing_cells_kept() > most / 2)
        }
    }

    @Test func `cells are as large as was asked for, and do not overlap`() async {
        let seed = UInt64.random(in: 0 ... .max)
        await onOwnThread {
            var random = SeededNumbers(seed: seed)
            var held: [(start: UnsafeMutableRawPointer, size: Int, mark: UInt8)] = unsafe []
            for _ in 0..<20_000 {
                if unsafe held.count < 64 || random.next() % 2 == 0 {
                    let size = Int(random.next() % 1_200)
                    let mark = UInt8(truncatingIfNeeded: random.next())
                    let isZeroed = random.next() % 4 == 0
                    let cell = unsafe isZeroed ? homing_cells_calloc(1, size, nil) : homing_cells_malloc(size, nil)
                    guard let cell = unsafe cell else { continue }
                    let bytes = unsafe UnsafeMutableRawBufferPointer(start: cell, count: size)
                    if isZeroed { #expect(unsafe bytes.allSatisfy { $0 == 0 }, "seed \(seed)") }
                    for index in unsafe bytes.indices { unsafe bytes[index] = mark }
                    unsafe held.append((cell, size, mark))
                } else {
                    let (start, size, mark) = unsafe held.remove(at: Int(random.next() % UInt64(held.count)))
                    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: size)
                    #expect(unsafe bytes.allSatisfy { $0 == mark }, "seed \(seed)")
                    unsafe homing_cells_free(start, nil)
                }
            }
            unsafe held.forEach { unsafe homing_cells_free($0.start, nil) }
        }
    }

    @Test func `another thread may give a cell back, and threads that end leave nothing behind`() async {
        for _ in 0..<8 {
            let cells = await onOwnThread {
                unsafe (0..<1_000).map { _ in unsafe UInt(bitPattern: homing_cells_malloc(200, nil)) }
            }
            await onOwnThread {
                for cell in cells { unsafe homing_cells_free(UnsafeMutableRawPointer(bitPattern: cell), nil) }
            }
        }
    }

    @Test(.enabled(if: homing_cells_are_kept()))
    func `a shared piece goes to the one that it is offered to, and outlives all who have it`() async {
        await onOwnThread {
            let piece = unsafe homing_shared_piece_make(16_394)!
            let shared = unsafe UnsafeMutableRawPointer(piece)
            let before = unsafe homing_cells_realloc(nil, 16_394, shared)
            unsafe homing_shared_piece_offer(piece, true)
            // Of another size, not from nothing, and by another call.
            let others = unsafe [
                homing_cells_realloc(nil, 16_393, shared),
                homing_cells_realloc(homing_cells_malloc(8, shared), 16_394, shared),
                homing_cells_malloc(16_394, shared),
                homing_cells_calloc(1, 16_394, shared),
            ]
            let first = unsafe homing_cells_realloc(nil, 16_394, shared)
            let second = unsafe homing_cells_realloc(nil, 16_394, shared)
            unsafe homing_shared_piece_offer(piece, true)
            let third = unsafe homing_cells_realloc(nil, 16_394, shared)
            #expect(unsafe first == third && first != second && first != before && !others.contains(first))
            unsafe homing_shared_piece_offer(piece, true)
            unsafe homing_shared_piece_offer(piece, false)
            let late = unsafe homing_cells_realloc(nil, 16_394, shared)
            #expect(unsafe late != first)
            // Who has it may give it back, and write in it still when another one has done so.
            unsafe first!.storeBytes(of: 0x1234_5678, as: UInt32.self)
            let larger = unsafe homing_cells_realloc(third, 20_000, shared)
            #expect(unsafe larger != first && larger!.load(as: UInt32.self) == 0x1234_5678)
            unsafe (others + [before, second, late, larger, first]).forEach { unsafe homing_cells_free($0, shared) }
            #expect(unsafe first!.load(as: UInt32.self) == 0x1234_5678)
            // A cell that was made beside it may be given back after it.
            let cell = unsafe homing_cells_malloc(100, shared)
            unsafe homing_shared_piece_free(piece)
            unsafe homing_cells_free(cell, shared)
        }
    }

    /// The first words of a session of libnghttp2 1.52.
    private struct StreamTable: Equatable {
        var slots: UInt
        var memory: UInt = 7
        var streams = 0
        var slotCount: UInt32 = 256
        var slotBits: UInt32 = 8
    }

    @Test(.enabled(if: homing_cells_are_kept()))
    func `a new table of streams becomes smaller, and nothing else is touched`() async {
        await onOwnThread {
            let piece = unsafe homing_shared_piece_make(100)!
            let shared = unsafe UnsafeMutableRawPointer(piece)
            let unoffered = unsafe homing_cells_calloc(256, 16, shared)
            unsafe homing_shared_piece_offer(piece, true)
            let table = unsafe homing_cells_calloc(256, 16, shared)
            unsafe homing_shared_piece_offer(piece, false)
            let right = unsafe StreamTable(slots: UInt(bitPattern: table))
            var others = [StreamTable](repeating: right, count: 5)
            unsafe others[0].slots = UInt(bitPattern: unoffered)
            others[1].streams = 1
            others[2].slotCount = 512
            others[3].slotBits = 9
            others[4].slots = 0
            for other in others {
                var session = other
                #expect(unsafe !homing_shrink_stream_table(&session, piece) && session == other)
            }
            var session = right
            #expect(unsafe homing_shrink_stream_table(&session, piece))
            #expect(session.slots != right.slots && session.slotCount == 16 && session.slotBits == 4)
            #expect(session.memory == right.memory && session.streams == 0)
            let small = unsafe UnsafeMutableRawPointer(bitPattern: session.slots)
            #expect(unsafe UnsafeRawBufferPointer(start: small, count: 256).allSatisfy { $0 == 0 })
            // It is another one's now.
            var again = right
            #expect(unsafe !homing_shrink_stream_table(&again, piece) && again == right)
            unsafe [unoffered, small].forEach { unsafe homing_cells_free($0, shared) }
            unsafe homing_shared_piece_free(piece)
        }
    }

    @Test func `an amount past all memory is refused`() {
        #expect(unsafe homing_cells_calloc(.max, 3, nil) == nil)
    }
}

/// Runs `body` on a thread that ends with it.
private func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
        Thread { continuation.resume(returning: body()) }.start()
    }
}
