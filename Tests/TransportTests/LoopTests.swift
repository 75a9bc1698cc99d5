import Synchronization
import Testing

@testable import Transport

@Suite struct LoopTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `timers come out in the order of their times, whatever is taken out between`(seed: UInt64) {
        var random = Xorshift(seed)
        var heap = TimerHeap(-1)
        var waiting: [LoopTimer.Entry] = []
        let ran = Mutex<[UInt64]>([])
        for _ in 0..<2_000 {
            if random.next() % 4 == 0, !waiting.isEmpty {
                heap.remove(waiting.remove(at: Int(random.next() % UInt64(waiting.count))))
            } else {
                let due = random.next() % 1_000
                let entry = LoopTimer.Entry(due: due) { ran.withLock { $0.append(due) } }
                heap.add(entry)
                waiting.append(entry)
            }
        }
        while let body = heap.takeDue(at: 499) { body() }
        let wanted = waiting.map(\.due).sorted()
        #expect(ran.withLock { $0 } == wanted.filter { $0 <= 499 }, "seed \(seed)")
        while let body = heap.takeDue(at: .max) { body() }
        #expect(ran.withLock { $0 } == wanted, "seed \(seed)")
    }

    @Test func `a timer that another one cancels in the same turn does not run`() async {
        let group = LoopGroup(count: 1)
        let loop = group.loops[0]
        let ran = Ran()
        await loop.run {
            let box = Box()
            loop.schedule(after: 0) { box.second.withLock { $0 }?.cancel() }
            box.second.withLock { $0 = loop.schedule(after: 1) { ran.add(2) } }
            loop.schedule(after: 2) { ran.add(3) }
        }
        await withCheckedContinuation { continuation in
            loop.schedule(after: 1_000_000) { continuation.resume() }
        }
        #expect(ran.all == [3])
        await group.shutdown()
    }

    @Test func `tasks of other threads and of the loop's own run in their order, and all of them`() async {
        let group = LoopGroup(count: 2)
        let ran = Ran()
        let first = group.loops[0]
        let second = group.loops[1]
        await withCheckedContinuation { continuation in
            second.execute {
                for number in 0..<10_000 {
                    first.execute {
                        ran.add(number)
                        // From within a turn it comes in the same one, after what was there before.
                        if number == 9_999 { first.execute { continuation.resume() } }
                    }
                }
            }
        }
        #expect(ran.all == Array(0..<10_000))
        await group.shutdown()
    }

    @Test func `a loop that ends closes its links, and what is asked of it later is dropped`() async throws {
        let group = LoopGroup(count: 2)
        let server = LinkPeer.Record()
        let listener = try await Listener.bind(Endpoint(.host("127.0.0.1", port: 0)), on: group) { _ in
            LinkPeer(server)
        }
        let client = LinkPeer.Record()
        let loop = group.loops[0]
        await loop.run {
            let peer = LinkPeer(client)
            let link = Link(on: loop, handler: peer)
            peer.own(link)
            Connector.connect(link, to: listener.endpoint, timeoutMs: 5_000)
        }
        try await until("both are open") { client.opened && server.opened }
        await group.shutdown()
        #expect(client.closures.count == 1 && server.closures.count == 1)
        let ran = Ran()
        loop.execute { ran.add(1) }
        loop.schedule(after: 0) { ran.add(2) }
        // A second end is none.
        await group.shutdown()
        #expect(ran.all.isEmpty)
    }

    @Test(
        arguments: [
            ("100000 100000\n", 1), ("150000 100000\n", 2), ("50000 100000", 1), ("max 100000\n", nil),
            ("-1 100000", nil), ("", nil), ("400000 100000\n", 4),
        ] as [(String, Int?)])
    func `a control group's time is counted in whole processors`(text: String, processors: Int?) {
        #expect(ProcessorCount.processors(in: text) == processors)
    }

    private final class Ran: Sendable {
        private let numbers = Mutex<[Int]>([])
        func add(_ number: Int) { self.numbers.withLock { $0.append(number) } }
        var all: [Int] { self.numbers.withLock { $0 } }
    }

    private final class Box: Sendable {
        let second = Mutex<LoopTimer?>(nil)
    }

    private struct Xorshift {
        private var state: UInt64
        init(_ seed: UInt64) { self.state = seed &* 0x9E37_79B9_7F4A_7C15 }
        mutating func next() -> UInt64 {
            self.state ^= self.state << 13
            self.state ^= self.state >> 7
            self.state ^= self.state << 17
            return self.state
        }
    }
}
