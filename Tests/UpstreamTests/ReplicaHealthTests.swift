import Testing
import Upstream

struct ReplicaHealthTests {
    /// What may happen to a replica.
    enum Fact: Sendable { case alive, late, failed, refused, lost, connectFailed, connectRefused, answered }

    private static func standing(
        after facts: [Fact], failuresToEject: Int = 3, successesToReturn: Int = 1
    ) -> ReplicaHealth.Standing {
        var settings = ProbeSettings()
        settings.failuresToEject = failuresToEject
        settings.successesToReturn = successesToReturn
        var health = ReplicaHealth(settings: settings)
        for fact in facts {
            switch fact {
            case .alive: health.probeAnswered()
            case .late: health.probeTimedOut()
            case .failed: health.probeFailed(refused: false)
            case .refused: health.probeFailed(refused: true)
            case .lost: health.connectionLost()
            case .connectFailed: health.connectFailed(refused: false)
            case .connectRefused: health.connectFailed(refused: true)
            case .answered: health.streamAnswered()
            }
        }
        return health.standing
    }

    @Test(
        arguments: [
            ([], .unknown),
            ([.alive], .available),
            ([.late], .unknown),
            ([.failed], .suspect),
            ([.refused], .unreachable),
            ([.lost], .unknown),
            ([.connectRefused], .unreachable),
            ([.alive, .late, .late, .late, .late], .available),
            ([.alive, .failed], .suspect),
            ([.alive, .lost], .suspect),
            ([.alive, .lost, .alive], .available),
            ([.alive, .lost, .answered], .available),
            ([.alive, .refused], .unreachable),
            ([.alive, .failed, .failed], .suspect),
            ([.alive, .failed, .failed, .failed], .unreachable),
            ([.alive, .failed, .connectFailed, .failed], .unreachable),
            ([.alive, .failed, .failed, .alive, .failed, .failed], .suspect),
            ([.alive, .failed, .failed, .answered, .failed], .suspect),
            ([.refused, .lost], .unreachable),
            ([.refused, .late], .unreachable),
            ([.refused, .answered], .unreachable),
            ([.refused, .alive], .available),
        ] as [([Fact], ReplicaHealth.Standing)])
    func `facts in this order give this standing`(facts: [Fact], expected: ReplicaHealth.Standing) {
        #expect(Self.standing(after: facts) == expected)
    }

    @Test func `a replica that is out comes back after as many successes in a row as are asked for`() {
        #expect(Self.standing(after: [.refused, .alive, .alive], successesToReturn: 3) == .unreachable)
        #expect(Self.standing(after: [.refused, .alive, .alive, .alive], successesToReturn: 3) == .available)
        #expect(
            Self.standing(after: [.refused, .alive, .alive, .failed, .alive], successesToReturn: 3) == .unreachable)
        #expect(Self.standing(after: [.refused, .alive, .alive, .late, .alive], successesToReturn: 3) == .unreachable)
    }

    @Test func `limits of zero count as one`() {
        #expect(Self.standing(after: [.alive, .failed], failuresToEject: 0) == .unreachable)
        #expect(Self.standing(after: [.refused, .alive], successesToReturn: 0) == .available)
    }
}
