import Transport
import Upstream
import Wire

/// The upstream leg of one proxied stream: what it hears from the replica it tells its stream.
///
/// Made once with its stream and reused with it. Lives on the same loop.
final class RelayLeg: UpstreamStream {
    private unowned let stream: ProxyStream

    init(of stream: ProxyStream, account: BufferAccount) {
        self.stream = stream
        super.init(account: account)
    }

    override func makeRequest(_ list: HeaderList) -> Bool {
        let way = self.stream.upstreamWay
        if let scheme = way.scheme { list.append(":scheme", scheme) }
        list.append(self.stream.headers, except: way.dropped, isolated: true)
        if let token = way.token { list.append(unindexed: "authorization", token) }
        self.stream.addRequestID(to: list)
        if let remaining = self.stream.remainingNs(at: Loop.now) {
            list.append(unindexed: "grpc-timeout", GRPCTimeout.text(nanoseconds: remaining))
        }
        return self.stream.requestIsHeadersOnly
    }

    override func answerStarted(ended: Bool) { self.stream.answerStarted(ended: ended) }
    override func bodyArrived(_ bytes: RawSpan) { self.stream.answerBodyArrived(bytes) }
    override func answerEnded(withTrailers: Bool) { self.stream.answerEnded(withTrailers: withTrailers) }
    override func bodyFramed(_ count: Int) { self.stream.requestBodyFramed(count) }
    override func replicaIsSilent() { self.stream.replicaIsSilent() }
    override func ended(_ outcome: UpstreamOutcome) { self.stream.upstreamEnded(outcome) }
}
