import Testing
import Transport
import Upstream
import Wire

struct UpstreamFailureTests {
    private static let all: [UpstreamFailure] = [
        .connectFailed(.refused), .connectFailed(.timedOut), .connectFailed(.unreachable("")), .connectionLost,
        .settingsTimeout, .refused, .reset(.cancel), .notGRPC,
    ]

    @Test func `what concerns the connection may be tried elsewhere, and so may a refusal`() {
        for failure in Self.all where failure.isOfConnection { #expect(failure.mayTryElsewhere) }
        #expect(UpstreamFailure.refused.mayTryElsewhere && !UpstreamFailure.refused.isOfConnection)
        #expect(!UpstreamFailure.reset(.cancel).mayTryElsewhere && !UpstreamFailure.notGRPC.mayTryElsewhere)
    }

    @Test func `every failure has a name of its own`() {
        #expect(Set(Self.all.map(\.name)).count == Self.all.count)
    }
}
