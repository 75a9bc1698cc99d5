/// Blocks come and go here, and keep their place in the list by recency.
extension PrefixIndex {
    mutating func add(_ hash: UInt64, parent: Int32) -> Int32 {
        let entry: Int32
        if self.firstUnused >= 0 {
            entry = self.firstUnused
            self.firstUnused = self.entries[Int(entry)].older
            self.entries[Int(entry)] = PrefixEntry(hash: hash, parent: parent)
        } else {
            entry = Int32(self.entries.count)
            self.entries.append(PrefixEntry(hash: hash, parent: parent))
        }
        if parent >= 0 { self.entries[Int(parent)].children += 1 }
        self.table.insert(entry, in: self.entries)
        self.count += 1
        return entry
    }

    mutating func remove(_ entry: Int32) {
        precondition(self.entries[Int(entry)].children == 0, "only a block that nothing follows can be removed")
        for index in 0..<PrefixEntry.markLimit { self.clear(entry, index) }
        self.unlink(entry)
        self.table.remove(entry, in: self.entries)
        let parent = self.entries[Int(entry)].parent
        if parent >= 0 { self.entries[Int(parent)].children -= 1 }
        self.entries[Int(entry)].children = -1
        self.entries[Int(entry)].older = self.firstUnused
        self.firstUnused = entry
        self.count -= 1
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
}
