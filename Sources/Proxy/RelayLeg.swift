import Transport
import Upstream
import Wire

/// The upstream leg of one proxied stream: what it hears from the replica it tells its stream.
///
/// Made once with its stream and reused with it. Lives on the same loop.
final class RelayLeg: UpstreamStream {
    private var stream: BackReference<ProxyStream>!

    /// Called once, by the stream that owns it.
    func belong(to stream: ProxyStream) { self.stream = BackReference(stream) }

    override func makeRequest(_ list: HeaderList) -> Bool {
        self.stream.with { $0.makeUpstreamRequest(list) }
    }

    override func answerStarted(ended: Bool) { self.stream.with { $0.answerStarted(ended: ended) } }
    override func bodyArrived(_ bytes: RawSpan) { self.stream.with { $0.answerBodyArrived(bytes) } }
    override func answerEnded(withTrailers: Bool) { self.stream.with { $0.answerEnded(withTrailers: withTrailers) } }
    override func bodyFramed(_ count: Int) { self.stream.with { $0.requestBodyFramed(count) } }
    override func replicaIsSilent() { self.stream.with { $0.replicaIsSilent() } }
    override func ended(_ outcome: UpstreamOutcome) { self.stream.with { $0.upstreamEnded(outcome) } }
}
