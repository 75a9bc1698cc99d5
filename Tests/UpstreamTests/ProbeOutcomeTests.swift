import Testing
import Transport
import Wire

@testable import Upstream

struct ProbeOutcomeTests {
    @Test(
        arguments: [
            (.status(.ok, text: "", message: Reply.healthy.encoded()), .alive),
            (.status(.ok, text: "", message: []), .unreachable(refused: false)),
            (.status(.ok, text: "", message: Reply(message: Array("ok".utf8)).encoded()), .unreachable(refused: false)),
            (.status(.ok, text: "", message: [0xFF, 0xFF]), .unreachable(refused: false)),
            (.status(.unavailable, text: "", message: []), .unreachable(refused: false)),
            (.status(.deadlineExceeded, text: "", message: []), .busy),
            (.status(.unimplemented, text: "", message: []), .alive),
            (.status(.unauthenticated, text: "", message: []), .alive),
            (.deadlineExceeded(connected: true), .busy),
            (.deadlineExceeded(connected: false), .unreachable(refused: false)),
            (.failed(.connectFailed(.refused)), .unreachable(refused: true)),
            (.failed(.connectFailed(.timedOut)), .unreachable(refused: false)),
            (.failed(.connectionLost), .unreachable(refused: false)),
            (.failed(.notGRPC), .unreachable(refused: false)),
        ] as [(UnaryCall.Answer, ProbeOutcome)])
    func `an answer to Health means this`(answer: UnaryCall.Answer, expected: ProbeOutcome) {
        #expect(ProbeOutcome(answer) == expected)
    }
}
