import Transport
import Wire

/// The connection of one `DirectCall`: opens with it and closes after it. Lives on one loop; its link keeps it alive.
final class DirectCallConnection: HTTP2Connection {
    private let stream: DirectCallStream

    init(for stream: DirectCallStream, on loop: Loop) {
        self.stream = stream
        super.init(.client, on: loop, factory: HTTP2SessionFactory(settings: HTTP2Settings()))
        stream.connection = self
    }

    /// Puts the request into the session, where it waits for the link to open.
    func begin(_ request: DirectCall.Request, authority: String) {
        let list = self.session.newHeaderList()
        list.append(":method", "POST")
        list.append(":scheme", request.tls == nil ? "http" as StaticString : "https")
        list.append(":path", request.path)
        list.append(":authority", authority)
        list.append("content-type", "application/grpc")
        list.append("te", "trailers")
        if request.timeoutMs > 0 { list.append("grpc-timeout", "\(request.timeoutMs)m") }
        list.append("user-agent", "homing")
        if let authorization = request.authorization { list.append(unindexed: "authorization", authorization) }
        for field in request.metadata { list.append(name: field.name, value: field.value) }
        guard self.session.submitRequest(self.stream, list, ended: false) else {
            preconditionFailure("a new session takes its first request")
        }
    }

    override func closing(_ closure: LinkClosure) {
        switch closure {
        case .connectFailed(let failure): self.stream.connectionFailure = .connectFailed(failure)
        case .closedByUs, .closedByPeer, .broken: ()
        }
    }

    override func lastStreamClosed() { self.shutDown() }
}
