/// Blocks and their owners come and go here.
extension CacheIndex {
    /// A new block, which is not in the table and the list yet.
    mutating func add(_ hash: UInt64, parent: Int32, bytes: UInt32) -> Int32 {
        let block = CacheEntry(hash: hash, parent: parent, bytes: bytes)
        let entry: Int32
        if self.firstUnused >= 0 {
            entry = self.firstUnused
            self.firstUnused = self.entries[Int(entry)].older
            self.entries[Int(entry)] = block
        } else {
            entry = Int32(self.entries.count)
            self.entries.append(block)
        }
        if parent >= 0 { self.entries[Int(parent)].children += 1 }
        self.count += 1
        self.changes += 1
        return entry
    }

    mutating func remove(_ entry: Int32) {
        self.detach(entry)
        self.table.remove(entry, in: self.entries)
    }

    /// Removes so many blocks from the old end of the list; none when it is not positive.
    mutating func removeOldest(_ blocks: Int) {
        guard blocks > 0 else { return }
        var old = self.oldest
        for _ in 0..<blocks {
            self.table.readAhead(self.entries[Int(old)].hash)
            old = self.entries[Int(old)].newer
        }
        for _ in 0..<blocks { self.detach(self.oldest) }
        // They are the first of the unused ones now.
        var entry = self.firstUnused
        for _ in 0..<blocks {
            self.table.remove(entry, in: self.entries)
            entry = self.entries[Int(entry)].older
        }
    }

    /// Takes a block out of everything but the table.
    private mutating func detach(_ entry: Int32) {
        precondition(self.entries[Int(entry)].children == 0, "only a block that nothing follows can be removed")
        self.removeOwners(of: entry)
        self.unlink(entry)
        let parent = self.entries[Int(entry)].parent
        if parent >= 0 { self.entries[Int(parent)].children -= 1 }
        self.entries[Int(entry)].children = -1
        self.entries[Int(entry)].older = self.firstUnused
        self.firstUnused = entry
        self.count -= 1
        self.changes += 1
    }

    /// Puts the entry next after `other` in the list by recency, or first when there is none.
    mutating func link(_ entry: Int32, behind other: Int32) {
        let next = other >= 0 ? self.entries[Int(other)].older : self.newest
        self.entries[Int(entry)].newer = other
        self.entries[Int(entry)].older = next
        if other >= 0 { self.entries[Int(other)].older = entry } else { self.newest = entry }
        if next >= 0 { self.entries[Int(next)].newer = entry } else { self.oldest = entry }
    }

    mutating func unlink(_ entry: Int32) {
        let (newer, older) = (self.entries[Int(entry)].newer, self.entries[Int(entry)].older)
        if newer >= 0 { self.entries[Int(newer)].older = older } else { self.newest = older }
        if older >= 0 { self.entries[Int(older)].newer = newer } else { self.oldest = newer }
    }

    // MARK: - Owners

    /// Position of the record that continues the entry's owners, `none` when it has no more than it holds itself.
    func more(of entry: Int32) -> Int32 {
        self.entries[Int(entry)].slots[3] == CacheOwners.follow
            ? Int32(self.entries[Int(entry)].stamps[3]) : CacheEntry.none
    }

    /// Calls `body` with the slot and the stamp of each replica that has the block.
    @inline(__always)
    func forEachOwner(of entry: Int32, _ body: (Int, UInt32) -> Void) {
        for index in 0..<CacheEntry.ownerLimit {
            let slot = self.entries[Int(entry)].slots[index]
            if slot < CacheOwners.follow { body(Int(slot), self.entries[Int(entry)].stamps[index]) }
        }
        var record = self.more(of: entry)
        while record >= 0 {
            for index in 0..<CacheOwners.limit where self.owners[Int(record)].slots[index] != CacheEntry.noSlot {
                body(Int(self.owners[Int(record)].slots[index]), self.owners[Int(record)].stamps[index])
            }
            record = self.owners[Int(record)].next
        }
    }

    /// When the replica touched the block last; zero when the block does not name it.
    @inline(__always)
    func stamp(of slot: Int, _ entry: Int32) -> UInt32 {
        let place = self.entries[Int(entry)].place(of: slot)
        return place >= 0 ? self.entries[Int(entry)].stamps[place] : self.stampBehind(entry, slot)
    }

    /// As `stamp`, among the owners that the entry does not name itself.
    @inline(__always)
    func stampBehind(_ entry: Int32, _ slot: Int) -> UInt32 {
        guard self.entries[Int(entry)].hasMoreOwners else { return 0 }
        var record = self.more(of: entry)
        while record >= 0 {
            for index in 0..<CacheOwners.limit where Int(self.owners[Int(record)].slots[index]) == slot {
                return self.owners[Int(record)].stamps[index]
            }
            record = self.owners[Int(record)].next
        }
        return 0
    }

    func hasOwner(_ entry: Int32) -> Bool {
        var has = false
        self.forEachOwner(of: entry) { has = has || self.caches[$0].knows($1) }
        return has
    }

    /// The replica, which the entry does not name itself, touched the block then. `isThere`: a record names it.
    mutating func setStampBehind(_ entry: Int32, _ slot: Int, _ stamp: UInt32, isThere: Bool) {
        guard isThere else { return self.addOwner(slot, to: entry, stamp) }
        var record = self.more(of: entry)
        while record >= 0 {
            for index in 0..<CacheOwners.limit where Int(self.owners[Int(record)].slots[index]) == slot {
                self.owners[Int(record)].stamps[index] = stamp
                return
            }
            record = self.owners[Int(record)].next
        }
    }

    /// Takes a free place, or that of a replica that forgot the block, or makes room behind the entry.
    private mutating func addOwner(_ slot: Int, to entry: Int32, _ stamp: UInt32) {
        for index in 0..<CacheEntry.ownerLimit where self.isFree(entry, index) {
            self.entries[Int(entry)].slots[index] = UInt16(slot)
            self.entries[Int(entry)].stamps[index] = stamp
            return
        }
        var record = self.more(of: entry)
        while record >= 0 {
            for index in 0..<CacheOwners.limit where self.isFree(self.owners[Int(record)], index) {
                self.owners[Int(record)].slots[index] = UInt16(slot)
                self.owners[Int(record)].stamps[index] = stamp
                return
            }
            record = self.owners[Int(record)].next
        }
        self.extend(entry, slot, stamp)
    }

    private func isFree(_ entry: Int32, _ index: Int) -> Bool {
        let slot = self.entries[Int(entry)].slots[index]
        if slot == CacheOwners.follow { return false }
        return slot == CacheEntry.noSlot
            || !self.caches[Int(slot)].knows(self.entries[Int(entry)].stamps[index])
    }

    private func isFree(_ record: CacheOwners, _ index: Int) -> Bool {
        record.slots[index] == CacheEntry.noSlot || !self.caches[Int(record.slots[index])].knows(record.stamps[index])
    }

    /// A new record in front of those that continue the entry. The first one takes the entry's last owner along.
    private mutating func extend(_ entry: Int32, _ slot: Int, _ stamp: UInt32) {
        var record = CacheOwners()
        record.next = self.more(of: entry)
        record.slots[0] = UInt16(slot)
        record.stamps[0] = stamp
        if record.next < 0 {
            record.slots[1] = self.entries[Int(entry)].slots[3]
            record.stamps[1] = self.entries[Int(entry)].stamps[3]
        }
        let position: Int32
        if self.firstUnusedOwners >= 0 {
            position = self.firstUnusedOwners
            self.firstUnusedOwners = self.owners[Int(position)].next
            self.owners[Int(position)] = record
        } else {
            position = Int32(self.owners.count)
            self.owners.append(record)
        }
        self.entries[Int(entry)].slots[3] = CacheOwners.follow
        self.entries[Int(entry)].stamps[3] = UInt32(position)
    }

    mutating func removeOwner(_ slot: Int, of entry: Int32) {
        let stamp = self.stamp(of: slot, entry)
        guard stamp != 0 else { return }
        self.caches[slot].leave(stamp, self.entries[Int(entry)].bytes)
        for index in 0..<CacheEntry.ownerLimit where Int(self.entries[Int(entry)].slots[index]) == slot {
            self.entries[Int(entry)].slots[index] = CacheEntry.noSlot
        }
        var record = self.more(of: entry)
        while record >= 0 {
            for index in 0..<CacheOwners.limit where Int(self.owners[Int(record)].slots[index]) == slot {
                self.owners[Int(record)].slots[index] = CacheEntry.noSlot
            }
            record = self.owners[Int(record)].next
        }
    }

    private mutating func removeOwners(of entry: Int32) {
        let bytes = self.entries[Int(entry)].bytes
        for index in 0..<CacheEntry.ownerLimit {
            let slot = self.entries[Int(entry)].slots[index]
            if slot < CacheOwners.follow { self.caches[Int(slot)].leave(self.entries[Int(entry)].stamps[index], bytes) }
        }
        var record = self.more(of: entry)
        while record >= 0 {
            for index in 0..<CacheOwners.limit where self.owners[Int(record)].slots[index] != CacheEntry.noSlot {
                self.caches[Int(self.owners[Int(record)].slots[index])]
                    .leave(self.owners[Int(record)].stamps[index], bytes)
            }
            let next = self.owners[Int(record)].next
            self.owners[Int(record)].next = self.firstUnusedOwners
            self.firstUnusedOwners = record
            record = next
        }
        self.entries[Int(entry)].slots = InlineArray(repeating: CacheEntry.noSlot)
    }
}
