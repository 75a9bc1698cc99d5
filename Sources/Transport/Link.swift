internal import NIOCore
internal import NIOSSL

/// One byte stream to a peer, TCP or Unix: the socket under an HTTP/2 connection.
///
/// ```
/// connecting ──a peer──► connected ──(TLS)──► open ──close / peer / error──► closed
///                                              └─closeAfterDrain─► lingering ──┘
/// ```
/// A listener's link that has said everything is closed for its handler at once, and lingers: what the peer still sends
/// is read and dropped, since the kernel answers unread bytes with a reset, which can take our last words from the peer.
/// Lives on its loop. Owned by its handler's connection; it keeps its handler alive while it is not closed.
package final class Link {
    package let loop: Loop
    /// The peer's address as text, for logs.
    package private(set) var peer = "unknown"
    private var handler: (any LinkHandler)?
    private let isAccepted: Bool
    /// Of the peer that there is; nil before, and when the link is closed.
    private var channel: (any Channel)?
    /// Bytes may go both ways: there is a peer and, with TLS, its handshake is over.
    private var isReady = false
    private var isCorked = false
    private var closesAfterDrain = false
    private var closure: LinkClosure?

    /// What is left of the patience with a peer that still sends.
    private var linger: (channel: any Channel, timer: LoopTimer, bytesLeft: Int)?

    /// How long, and for how many bytes, a link lingers: about what a peer may have under way by the connection's window.
    private static let lingerNs: UInt64 = 1_000_000_000
    private static let lingerBytes = 4 * 1024 * 1024

    package convenience init(on loop: Loop, handler: any LinkHandler) {
        self.init(on: loop, handler: handler, isAccepted: false)
    }

    /// - Parameter isAccepted: a listener's.
    init(on loop: Loop, handler: any LinkHandler, isAccepted: Bool) {
        self.loop = loop
        self.handler = handler
        self.isAccepted = isAccepted
    }

    package var isOpen: Bool { self.isReady && self.channel != nil && self.closure == nil }

    /// The handler has something to send: it is asked for it at the end of this turn.
    package func needsDrain() {
        guard !self.isCorked, self.isReady, self.channel != nil else { return }
        self.isCorked = true
        self.loop.cork(self)
    }

    /// Closes when what the handler has to send now has been written.
    package func closeAfterDrain() {
        self.closesAfterDrain = true
        self.needsDrain()
    }

    /// Closes without sending anything more. `linkClosed` follows in a later turn, never before this returns: NIO would
    /// tell us from inside its own close, and the handler may be in the middle of something. Nothing is received meanwhile.
    package func close() {
        if self.closure == nil { self.closure = .closedByUs }
        guard let channel = self.channel else { return }
        self.loop.execute { channel.close(mode: .all, promise: nil) }
    }

    // MARK: Called by the channel handler and the connector

    /// There is a peer; with TLS it is not known yet whether the link opens. False when the link has no use for it: of
    /// several addresses of a name that are tried at once, the first one counts.
    func connected(_ channel: any Channel) -> Bool {
        guard self.channel == nil, let handler = self.handler else { return false }
        self.channel = channel
        self.peer = Self.text(of: channel.remoteAddress)
        if self.isAccepted, self.closure == nil { handler.linkAccepted() }
        return true
    }

    /// The link never opens.
    func handshakeFailed(_ failure: TLSFailure) {
        if self.closure == nil { self.closure = .connectFailed(.tls(failure)) }
    }

    func opened() {
        guard let channel = self.channel else { return }
        self.isReady = true
        if self.closure != nil {
            channel.close(mode: .all, promise: nil)
            return
        }
        self.handler?.linkOpened()
        self.needsDrain()
    }

    func received(_ buffer: ByteBuffer) {
        guard self.closure == nil else { return self.dropped(buffer.readableBytes) }
        unsafe buffer.withUnsafeReadableBytes { bytes in
            unsafe self.handler?.linkReceived(RawSpan(_unsafeBytes: bytes))
        }
    }

    func writabilityChanged() {
        self.needsDrain()
    }

    func failed(_ error: any Error) {
        guard self.closure == nil else { return }
        // Many peers close without TLS's own goodbye; HTTP/2 has said what there was to say.
        if case NIOSSLError.uncleanShutdown = error {
            self.closure = .closedByPeer
        } else {
            self.closure = .broken(Self.text(of: error))
        }
    }

    func connectFailed(_ failure: ConnectFailure) {
        self.ended(.connectFailed(failure))
    }

    func closed() {
        if let linger = self.linger {
            linger.timer.cancel()
            self.linger = nil
            self.loop.lingeringEnded()
        }
        self.ended(self.closure ?? .closedByPeer)
    }

    private func ended(_ closure: LinkClosure) {
        self.closure = closure
        self.channel = nil
        guard let handler = self.handler else { return }
        self.handler = nil
        handler.linkClosed(closure)
    }

    /// Writes what the handler has to send, region by region, while the kernel and NIO's queue take it.
    func drain(using buffer: inout ByteBuffer) {
        self.isCorked = false
        guard let channel = self.channel, let handler = self.handler, self.closure == nil else { return }
        var more = true
        while more, channel.isWritable {
            // NIO has let go of the last write's bytes when the kernel took them; then this keeps the same memory.
            buffer.clear(minimumCapacity: 64 * 1024)
            unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 64 * 1024) { region in
                var output = unsafe OutputRawSpan(buffer: region, initializedCount: 0)
                more = handler.linkDrains(into: &output)
                return unsafe output.finalize(for: region)
            }
            guard buffer.readableBytes > 0 else { break }
            channel.writeAndFlush(buffer, promise: nil)
        }
        if self.closesAfterDrain, !more {
            self.closesAfterDrain = false
            if self.closure == nil { self.closure = .closedByUs }
            // Bytes of this or an earlier turn are still in NIO's queue when the kernel did not take them at once.
            let bound = LoopBound(self, on: self.loop)
            channel.writeAndFlush(ByteBuffer()).whenComplete { _ in bound.value.saidEverything() }
        }
    }

    // MARK: Lingering

    private func saidEverything() {
        guard let channel = self.channel else { return }
        guard self.isAccepted, self.loop.mayLinger() else { return channel.close(mode: .all, promise: nil) }
        let bound = LoopBound(self, on: self.loop)
        let timer = self.loop.schedule(after: Self.lingerNs) { channel.close(mode: .all, promise: nil) }
        self.linger = (channel, timer, Self.lingerBytes)
        channel.close(mode: .output).whenFailure { _ in
            // The peer is gone already, or there is nothing to close on one side only.
            bound.loop.execute { channel.close(mode: .all, promise: nil) }
        }
        self.ended(self.closure ?? .closedByUs)
    }

    /// Bytes that came when nobody was there for them any more.
    private func dropped(_ count: Int) {
        guard let linger = self.linger else { return }
        self.linger?.bytesLeft -= count
        if linger.bytesLeft <= count { linger.channel.close(mode: .all, promise: nil) }
    }

    private static func text(of address: SocketAddress?) -> String {
        guard let address else { return "unknown" }
        if let ip = address.ipAddress, let port = address.port {
            return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
        }
        // A caller's end of a UNIX socket has no name.
        return address.pathname.map { $0.isEmpty ? "unix" : "unix:\($0)" } ?? "unknown"
    }

    private static func text(of error: any Error) -> String {
        (error as? IOError).map { "\($0.description)" } ?? "\(error)"
    }
}
