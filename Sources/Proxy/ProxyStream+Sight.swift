import Connection
import Routing
import Transport
import Upstream
import Wire

/// What a stream leaves behind for operators: its pick, and how soon the answer began.
extension ProxyStream {
    /// A replica was picked.
    func noteDecision() {
        guard let decision = self.decision, let replica = self.replica else { return }
        var record = PickRecord()
        record.atNs = Loop.now
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
        record.answersOnce = self.method != .predictStream
        record.candidates = decision.candidates
        self.pickedNs = record.atNs
        self.pickSerial = self.proxyLoop.decisions.picked(record)
    }

    /// The first whole message of the answer is here.
    func noteFirstMessage() {
        guard self.pickSerial > 0, let replica = self.replica, let decision = self.decision else { return }
        self.proxyLoop.decisions.answered(
            self.pickSerial, slot: replica.slot, owner: replica.serial, after: Loop.now - self.pickedNs,
            countsAsFirstToken: self.method == .predictStream && decision.promptBytes > 0)
    }
}
