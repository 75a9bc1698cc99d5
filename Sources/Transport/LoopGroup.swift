internal import NIOCore
internal import NIOPosix

/// The event loops of one process, one thread each.
package final class LoopGroup: Sendable {
    package let loops: [Loop]
    let group: MultiThreadedEventLoopGroup

    /// Starts `count` threads; zero means one for each processor that this process may use.
    package init(count: Int) {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: count > 0 ? count : System.coreCount)
        self.group = group
        self.loops = group.makeIterator().enumerated().map { Loop(index: $0.offset, eventLoop: $0.element) }
    }

    func loop(of eventLoop: any EventLoop) -> Loop {
        guard let loop = self.loops.first(where: { $0.eventLoop === eventLoop }) else {
            preconditionFailure("a channel of this group runs on one of its loops")
        }
        return loop
    }

    /// Ends the threads. Links that are still open are cut.
    package func shutdown() async {
        // The only error is a second shutdown, which changes nothing.
        try? await self.group.shutdownGracefully()
    }
}
