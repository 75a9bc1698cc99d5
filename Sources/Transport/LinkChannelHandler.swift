internal import NIOCore

/// The one handler of every pipeline: hands what NIO says to the link. Lives on the link's loop.
final class LinkChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: Link
    private var isOpen = false

    init(_ link: Link) { self.link = link }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.open(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.open(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.link.received(self.unwrapInboundIn(data))
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { self.link.writabilityChanged() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.link.closed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.link.failed(error)
        context.close(promise: nil)
    }

    private func open(_ context: ChannelHandlerContext) {
        guard !self.isOpen else { return }
        self.isOpen = true
        self.link.opened(context.channel)
    }
}
