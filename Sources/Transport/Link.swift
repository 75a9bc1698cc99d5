internal import NIOCore
internal import NIOSSL

/// One byte stream to a peer, TCP or Unix: the socket under an HTTP/2 connection.
///
/// ```
/// connecting ──opened──► open ──close / peer / error──► closed
/// ```
/// Lives on its loop. Owned by its handler's connection; it keeps its handler alive while it is not closed.
package final class Link {
    package let loop: Loop
    /// The peer's address as text, for logs.
    package private(set) var peer = "unknown"
    private var handler: (any LinkHandler)?
    private var channel: (any Channel)?
    private var isCorked = false
    private var closesAfterDrain = false
    private var closure: LinkClosure?

    package init(on loop: Loop, handler: any LinkHandler) {
        self.loop = loop
        self.handler = handler
    }

    package var isOpen: Bool { self.channel != nil && self.closure == nil }

    /// The handler has something to send: it is asked for it at the end of this turn.
    package func needsDrain() {
        guard !self.isCorked, self.channel != nil else { return }
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

    /// There is a peer; with TLS it is not known yet whether the link opens.
    func connected(_ channel: any Channel) {
        self.peer = Self.text(of: channel.remoteAddress)
    }

    /// The link never opens.
    func handshakeFailed(_ failure: TLSFailure) {
        if self.closure == nil { self.closure = .connectFailed(.tls(failure)) }
    }

    func opened(_ channel: any Channel) {
        self.channel = channel
        if self.closure != nil {
            channel.close(mode: .all, promise: nil)
            return
        }
        self.handler?.linkOpened()
        self.needsDrain()
    }

    func received(_ buffer: ByteBuffer) {
        guard self.closure == nil else { return }
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
            channel.writeAndFlush(ByteBuffer()).whenComplete { _ in channel.close(mode: .all, promise: nil) }
        }
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
