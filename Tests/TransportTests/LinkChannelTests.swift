import NIOCore
import NIOEmbedded
import Testing

@testable import Transport

/// What a link makes of the channels that NIO tries for it.
@Suite struct LinkChannelTests {
    private static let peer = try? SocketAddress(ipAddress: "127.0.0.1", port: 1)

    /// A channel with a handler of `link`, connected.
    private static func connected(_ link: Link, on loop: EmbeddedEventLoop) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: LinkChannelHandler(link, handshakeLimit: nil), loop: loop)
        try channel.connect(to: try #require(Self.peer)).wait()
        return channel
    }

    @Test func `of two addresses of a name that answer at once, the first one counts`() throws {
        let eventLoop = EmbeddedEventLoop()
        let record = LinkPeer.Record()
        let peer = LinkPeer(record)
        let link = Link(on: Loop(index: 0, eventLoop: eventLoop), handler: peer)
        peer.own(link)
        let first = try Self.connected(link, on: eventLoop)
        #expect(record.opened && link.isOpen)
        let second = try Self.connected(link, on: eventLoop)
        eventLoop.run()
        #expect(!second.isActive, "nobody has a use for it")
        #expect(first.isActive && link.isOpen && record.closures.isEmpty, "its end is not the link's")
        try first.writeInbound(ByteBuffer(bytes: [1, 2, 3]))
        #expect(record.received == [1, 2, 3])
        link.close()
        eventLoop.run()
        #expect(record.closures == [.closedByUs] && !first.isActive)
    }

    @Test func `a channel that comes when the link has ended is closed`() throws {
        let eventLoop = EmbeddedEventLoop()
        let record = LinkPeer.Record()
        let peer = LinkPeer(record)
        let link = Link(on: Loop(index: 0, eventLoop: eventLoop), handler: peer)
        peer.own(link)
        link.connectFailed(.timedOut)
        let late = try Self.connected(link, on: eventLoop)
        eventLoop.run()
        #expect(!late.isActive && !record.opened && record.closures == [.connectFailed(.timedOut)])
    }
}
