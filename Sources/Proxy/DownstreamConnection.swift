package import Connection
import Telemetry
package import Transport
package import Wire

/// A caller's connection. Lives on the loop that accepted it. Not shared; other loops send it values.
package final class DownstreamConnection: HTTP2Connection {
    private let proxyLoop: ProxyLoop
    let listener: String
    let access: ListenerAccess
    private var farewell: [UInt8] = []

    init(on proxyLoop: ProxyLoop, listener: String, access: ListenerAccess) {
        self.proxyLoop = proxyLoop
        self.listener = listener
        self.access = access
        super.init(.server, on: proxyLoop.loop, factory: proxyLoop.sessionFactory)
    }

    /// The cluster that everything on this listener goes to; nil when the request decides.
    var listenerCluster: Int? { self.access.cluster }

    /// The caller's address, for logs.
    var peer: String { self.link.peer }

    package override func opened() { self.proxyLoop.opened(self) }

    package override func closed(_ closure: LinkClosure) {
        if case .connectFailed(.tls(let failure)) = closure {
            self.proxyLoop.runtime.handshakeFailed(failure, peer: self.peer, listener: self.listener)
        }
        self.proxyLoop.closed(self)
    }

    package override func makeStream() -> HTTP2Stream {
        let stream = self.proxyLoop.makeStream()
        stream.begin(on: self)
        return stream
    }

    package override func protocolFailed(notHTTP2 firstBytes: RawSpan?) {
        guard let firstBytes else {
            self.proxyLoop.runtime.metrics.protocolErrors.add()
            return
        }
        self.proxyLoop.runtime.metrics.notHTTP2.add()
        self.farewell = HTTP1Refusal.looksLikeHTTP1(firstBytes) ? HTTP1Refusal.answer : HTTP1Refusal.goAway
    }

    package override func goodbye() -> [UInt8] {
        defer { self.farewell = [] }
        return self.farewell
    }
}
