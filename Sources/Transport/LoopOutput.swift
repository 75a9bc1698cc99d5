internal import NIOCore

/// The corked output of one loop: which links have something to send, and the buffer that they share.
/// Touched on its loop only; `Loop` sees to that.
final class LoopOutput: @unchecked Sendable {
    private var links = ContiguousArray<Link>()
    private var flushing = ContiguousArray<Link>()
    private var flushIsScheduled = false
    private var buffer: ByteBuffer
    /// Links that have said everything and still read what their peers send.
    var lingering = 0
    /// So that peers who hang on cost few sockets.
    private static let mostLingering = 256
    /// Room for several frames of the largest size. One read's worth of input seldom makes more output.
    private static let capacity = 256 * 1024

    init() {
        self.buffer = ByteBufferAllocator().buffer(capacity: Self.capacity)
    }

    /// Returns whether a flush must be scheduled.
    func add(_ link: Link) -> Bool {
        self.links.append(link)
        defer { self.flushIsScheduled = true }
        return !self.flushIsScheduled
    }

    func mayLinger() -> Bool {
        guard self.lingering < Self.mostLingering else { return false }
        self.lingering += 1
        return true
    }

    func flush() {
        self.flushIsScheduled = false
        // Links that are corked while others are drained wait for the next turn.
        swap(&self.links, &self.flushing)
        for link in self.flushing {
            link.drain(using: &self.buffer)
        }
        self.flushing.removeAll(keepingCapacity: true)
    }
}
