import Connection
import Routing
import Transport
import Upstream
import Wire

/// What a stream leaves behind for operators: its pick, and how soon the answer began.
extension ProxyStream {
    /// A replica was picked.
    func noteDecision(for replica: Replica, at now: UInt64) {
        guard let decision = self.decision else { return }
        var record = PickRecord()
        record.atNs = now
        record.cluster = self.cluster ?? 0
        record.slot = replica.slot
        record.owner = replica.serial
        record.replica = replica.id
        record.method = self.method
        record.reason = decision.reason
        record.diverted = decision.diverted
        record.retries = self.tried.count
        record.matchedBlocks = decision.matchedBlocks
        record.promptBlocks = decision.promptBlocks
        record.matchedBytes = decision.matchedBytes
        record.promptBytes = decision.promptBytes
        record.expectedSeconds = decision.expectedSeconds
        record.answersOnce = self.answersOnce
        record.candidates = decision.candidates
        self.notedPick = NotedPick(
            serial: self.proxyLoop.decisions.picked(record), atNs: record.atNs, slot: record.slot, owner: record.owner,
            hasPrompt: record.promptBytes > 0)
    }

    /// The first whole message of the answer is here.
    /// - Parameter now: its moment.
    func noteFirstMessage(at now: UInt64) {
        guard let pick = self.notedPick else { return }
        self.proxyLoop.decisions.answered(
            pick.serial, slot: pick.slot, owner: pick.owner, after: now - pick.atNs,
            countsAsFirstToken: !self.answersOnce && pick.hasPrompt)
    }

    /// The last pick as the loop's decisions know it. Plain values: every answer asks.
    struct NotedPick {
        let serial: UInt64
        let atNs: UInt64
        /// Slot of the picked replica, and who had it.
        let slot: Int
        let owner: UInt64
        let hasPrompt: Bool
    }
}
