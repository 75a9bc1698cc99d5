/// What must hold between any two calls. For tests: it looks at everything.
extension ReplicaTable {
    /// One sentence per broken promise; empty when the table is sound.
    public func checkInvariants() -> [String] {
        var broken = self.index.checkInvariants() + (self.expected?.checkInvariants() ?? [])
        broken += self.queue.checkInvariants()
        let taken = self.members.indices.filter { self.members[$0] != nil }
        if taken != self.order.sorted() { broken.append("the order does not name each member once") }
        if self.names.count != self.members.count { broken.append("a slot has no name") }
        var last: ReplicaID?
        for slot in self.order {
            guard let member = self.members[slot] else { continue }
            if member.inFlight < 0 { broken.append("replica \(member.replica) has less than no streams") }
            if let last, last >= member.replica { broken.append("replica \(member.replica) is not in its place") }
            last = member.replica
        }
        if self.departedInFlight < 0 { broken.append("replicas that left have less than no streams") }
        for slot in self.members.indices where self.members[slot] == nil {
            if self.index.blocks(heldBy: slot) != 0 { broken.append("slot \(slot) is free and holds blocks") }
        }
        return broken
    }
}

extension ExpectedTTFT {
    func checkInvariants() -> [String] {
        var broken = self.index.checkInvariants()
        for (slot, load) in self.loads.enumerated() {
            var count = 0
            var position = load.first
            while position >= 0, count <= self.records.count {
                let record = self.records[Int(position)]
                if record.slot != slot || record.isStarted || record.serial == 0 {
                    broken.append("slot \(slot) counts a stream as unstarted that is not")
                }
                count += 1
                position = record.newer
            }
            if load.first >= 0, self.records[Int(load.first)].work != load.headWork {
                broken.append("slot \(slot) does not know what it works on")
            }
            if count != load.unstartedCount { broken.append("slot \(slot) miscounts its unstarted streams") }
            if !(load.speed > 0 && load.speed.isFinite) { broken.append("slot \(slot) has no speed") }
        }
        if !(self.model.seconds(Work(promptBytes: 4_096, cachedBytes: 0)) > 0) { broken.append("work takes no time") }
        return broken
    }
}
