internal import NIOCore
internal import NIOTLS

/// The last handler of every pipeline, and the only one without TLS: hands what NIO says to the link. Lives on the
/// link's loop.
///
/// ```
/// connected ──(TLS: handshake over, h2 agreed)──► open ──► closed
///      └────── TLS: refused, broken, out of time ──────────┘
/// ```
final class LinkChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: Link
    /// Nil in cleartext.
    private let handshakeLimit: TimeAmount?
    private var handshakeTimer: Scheduled<Void>?
    private var isConnected = false
    /// The link took this channel and not another one.
    private var isTaken = false
    private var isOpen = false

    /// - Parameter handshakeLimit: how long the TLS handler before this one has; nil when there is none.
    init(_ link: Link, handshakeLimit: TimeAmount?) {
        self.link = link
        self.handshakeLimit = handshakeLimit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.connected(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.connected(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard self.isOpen else { return }
        self.link.received(self.unwrapInboundIn(data))
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if self.isTaken, context.channel.isWritable { self.link.writabilityChanged() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard self.isTaken, case TLSUserEvent.handshakeCompleted(let agreed) = event else {
            return context.fireUserInboundEventTriggered(event)
        }
        guard agreed == "h2" else {
            return self.refuse(TLSFailure(.notHTTP2, "the peer did not agree to h2 (ALPN)"), context)
        }
        self.open(context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.handshakeTimer?.cancel()
        guard self.isTaken else { return }
        if self.handshakeLimit != nil, !self.isOpen {
            self.link.handshakeFailed(TLSFailure(.closed, "the peer closed the connection"))
        }
        self.link.closed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard self.isTaken else { return context.close(promise: nil) }
        if self.handshakeLimit != nil, !self.isOpen { return self.refuse(TLSFailure(error), context) }
        self.link.failed(error)
        context.close(promise: nil)
    }

    private func connected(_ context: ChannelHandlerContext) {
        guard !self.isConnected else { return }
        self.isConnected = true
        self.isTaken = self.link.connected(context.channel)
        guard self.isTaken else { return context.close(promise: nil) }
        guard let handshakeLimit else { return self.open(context) }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.handshakeTimer = context.eventLoop.scheduleTask(in: handshakeLimit) {
            let (handler, context) = bound.value
            guard !handler.isOpen else { return }
            handler.refuse(TLSFailure(.timedOut, "the handshake was not over in time"), context)
        }
    }

    private func refuse(_ failure: TLSFailure, _ context: ChannelHandlerContext) {
        self.link.handshakeFailed(failure)
        context.close(promise: nil)
    }

    private func open(_ context: ChannelHandlerContext) {
        guard !self.isOpen else { return }
        self.isOpen = true
        self.handshakeTimer?.cancel()
        self.link.opened()
    }
}
