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
        let serial = self.decisions.picked(
            decision,
            PickedCall(
                atNs: now, cluster: self.cluster ?? 0, slot: replica.slot, owner: replica.serial, method: self.method,
                retries: self.tried.count, answersOnce: self.answersOnce))
        self.notedPick = NotedPick(
            serial: serial, atNs: now, slot: replica.slot, owner: replica.serial, hasPrompt: decision.promptBytes > 0)
    }

    /// The first whole message of the answer is here.
    /// - Parameter now: its moment.
    func noteFirstMessage(at now: UInt64) {
        guard let pick = self.notedPick else { return }
        self.decisions.answered(
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
