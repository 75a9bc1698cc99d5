import CCells
import Foundation
import Testing

/// What libnghttp2 allocates through. `HOMING_CELLS_KEPT` and the sizes are those of CCells.h. Each test has a thread of its
/// own, since that is who keeps cells.
@Suite struct CellsTests {
    @Test(.enabled(if: homing_cells_are_kept()))
    func `a cell that was given back is the next one of its size`() async {
        await onOwnThread {
            for size in [1, 16, 17, 24, 25, 100, 1_000, 1_008] {
                let first = unsafe homing_cells_malloc(size, nil)
                let before = homing_cells_kept()
                unsafe homing_cells_free(first, nil)
                // malloc may have given more than was asked for, and the cell is then one of that size.
                let given = homing_cells_kept() - before
                #expect(given >= size)
                let second = unsafe homing_cells_malloc(given, nil)
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

    /// What a session of libnghttp2 1.52 is to us: in words, its table of streams and two rings of headers among others.
    private static let newSession: [UInt] = [0, 1, 7, 0, 256 | 8 << 32, 5, 2, 127, 0, 0, 9, 3, 127, 0, 0, 4, 4, 4]
    private static let places = [1, 6, 11]

    /// A session that is made like one: every word of `words` that is 1, 2 or 3 is the address of what was asked for.
    private static func shrink(
        _ words: [UInt], _ piece: OpaquePointer
    ) -> (shrunk: Int, before: [UInt], after: [UInt]) {
        let shared = unsafe UnsafeMutableRawPointer(piece)
        unsafe homing_shared_piece_offer(piece, true)
        let session = unsafe homing_cells_calloc(1, words.count * 8, shared)!
        let pieces = unsafe [
            homing_cells_malloc(1_024, shared),
            homing_cells_malloc(1_024, shared),
            homing_cells_calloc(256, 16, shared),
        ]
        unsafe homing_shared_piece_offer(piece, false)
        let addresses = unsafe [pieces[2], pieces[0], pieces[1]].map { unsafe UInt(bitPattern: $0) }
        let before = words.map { 1...3 ~= $0 ? addresses[Int($0) - 1] : $0 }
        unsafe session.copyMemory(from: before, byteCount: words.count * 8)
        let shrunk = unsafe homing_shrink_session(session, piece)
        let after = unsafe (0..<words.count).map { unsafe session.load(fromByteOffset: $0 * 8, as: UInt.self) }
        for address in addresses {
            let own = before.firstIndex(of: address).map { after[$0] } ?? address
            unsafe homing_cells_free(UnsafeMutableRawPointer(bitPattern: own), shared)
        }
        unsafe homing_cells_free(session, shared)
        return (Int(shrunk), before, after)
    }

    @Test(.enabled(if: homing_cells_are_kept()))
    func `what a new session has for streams and headers becomes smaller`() async {
        await onOwnThread {
            let piece = unsafe homing_shared_piece_make(100)!
            for _ in 0..<3 {
                let (shrunk, before, after) = unsafe Self.shrink(Self.newSession, piece)
                var expected = Self.newSession
                for place in Self.places { expected[place] = after[place] }
                (expected[4], expected[7], expected[12]) = (16 | 4 << 32, 15, 15)
                #expect(shrunk == 3 && after == expected)
                #expect(Self.places.allSatisfy { after[$0] != 0 && after[$0] != before[$0] })
            }
            unsafe homing_shared_piece_free(piece)
        }
    }

    @Test(.enabled(if: homing_cells_are_kept()))
    func `what looks different from a new session is not touched`() async {
        await onOwnThread {
            let piece = unsafe homing_shared_piece_make(100)!
            // Behind an address one word is another one each time; the address is another one; it is in the last words.
            for (place, rest) in [(1, [3, 4]), (6, [7, 8, 9]), (11, [12, 13, 14])] {
                for position in [place] + rest {
                    var words = Self.newSession
                    words[position] += position == place ? 1_000_000 : 1
                    let (shrunk, before, after) = unsafe Self.shrink(words, piece)
                    #expect(shrunk == 2 && after[place...place + 3] == before[place...place + 3], "word \(position)")
                }
            }
            let short = unsafe Self.shrink([0, 0, 2, 127, 0], piece)
            #expect(short.shrunk == 0 && short.before == short.after)
            // Another one than the one that was made.
            var other = Self.newSession
            #expect(unsafe homing_shrink_session(&other, piece) == 0 && other == Self.newSession)
            #expect(unsafe homing_shrink_session(nil, piece) == 0)
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
