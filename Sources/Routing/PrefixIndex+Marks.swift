/// What a block says of the replicas that served it.
extension PrefixIndex {
    static func stamp(_ instant: Instant) -> UInt32 {
        UInt32(truncatingIfNeeded: instant.nanoseconds / 1_000_000)
    }

    func isCurrent(_ mark: PrefixMark) -> Bool {
        mark.generation != 0 && self.holders[Int(mark.slot)].generation == mark.generation
    }

    /// Never early and at most a millisecond late, as stamps are whole milliseconds. A stamp of the near future is young.
    func isExpired(_ mark: PrefixMark, at now: UInt32) -> Bool {
        guard let timeToLive = self.timeToLive else { return false }
        return Int32(bitPattern: now &- mark.stamp) > timeToLive
    }

    func isLive(_ mark: PrefixMark, at now: UInt32) -> Bool {
        self.isCurrent(mark) && !self.isExpired(mark, at: now)
    }

    func hasCurrentMark(_ entry: Int32) -> Bool {
        for index in 0..<PrefixEntry.markLimit where self.isCurrent(self.entries[Int(entry)].marks[index]) {
            return true
        }
        return false
    }

    func hasLiveMark(_ entry: Int32, at now: UInt32) -> Bool {
        for index in 0..<PrefixEntry.markLimit where self.isLive(self.entries[Int(entry)].marks[index], at: now) {
            return true
        }
        return false
    }

    /// Where the mark stands that `ticket` claimed, if it is still the same.
    func claim(of ticket: NoteTicket, on entry: Int32) -> Int? {
        for index in 0..<PrefixEntry.markLimit {
            let mark = self.entries[Int(entry)].marks[index]
            if mark.slot == ticket.slot, mark.generation == ticket.generation,
                self.entries[Int(entry)].serials[index] == ticket.serial
            {
                return index
            }
        }
        return nil
    }

    /// Marks the entry for `slot` and drops marks that mean nothing. Returns whether the replica held it already.
    mutating func mark(_ entry: Int32, slot: Int, at now: UInt32) -> Bool {
        let marks = self.entries[Int(entry)].marks
        var place = -1
        var own = -1
        var wasLive = false
        for index in 0..<PrefixEntry.markLimit {
            let mark = marks[index]
            if mark.generation == 0 {
                place = index
            } else if self.isCurrent(mark), Int(mark.slot) == slot {
                own = index
                wasLive = !self.isExpired(mark, at: now)
            } else if !self.isLive(mark, at: now) {
                self.clear(entry, index)
                place = index
            }
        }
        if own < 0 {
            own = place >= 0 ? place : self.oldestMark(entry, at: now)
            self.clear(entry, own)
            self.holders[slot].blocks += 1
        }
        self.entries[Int(entry)].marks[own] = PrefixMark(
            slot: UInt16(slot), generation: self.holders[slot].generation, stamp: now)
        self.entries[Int(entry)].serials[own] = self.serial
        return wasLive
    }

    func oldestMark(_ entry: Int32, at now: UInt32) -> Int {
        var oldest = 0
        var oldestAge = Int32.min
        for index in 0..<PrefixEntry.markLimit {
            let age = Int32(bitPattern: now &- self.entries[Int(entry)].marks[index].stamp)
            if age > oldestAge { (oldest, oldestAge) = (index, age) }
        }
        return oldest
    }

    mutating func clear(_ entry: Int32, _ index: Int) {
        let mark = self.entries[Int(entry)].marks[index]
        guard mark.generation != 0 else { return }
        if self.isCurrent(mark) { self.holders[Int(mark.slot)].blocks -= 1 }
        self.entries[Int(entry)].marks[index] = .none
    }

    mutating func clearMarks(of slot: Int) {
        for entry in self.entries.indices where self.entries[entry].isUsed {
            for index in 0..<PrefixEntry.markLimit where Int(self.entries[entry].marks[index].slot) == slot {
                self.clear(Int32(entry), index)
            }
        }
    }

    mutating func ensureHolder(_ slot: Int) {
        precondition(slot <= Int(UInt16.max), "a cluster has at most 65,536 replicas at a time")
        while self.holders.count <= slot { self.holders.append(Holder()) }
    }
}
