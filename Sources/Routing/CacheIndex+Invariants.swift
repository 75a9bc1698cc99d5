/// What must hold between any two calls. For tests: it looks at every block.
extension CacheIndex {
    /// One sentence per broken promise; empty when the index is sound.
    public func checkInvariants() -> [String] {
        var broken: [String] = []
        if self.count > self.capacity { broken.append("the index remembers more than it may") }
        if self.table.count != self.count { broken.append("the table and the arena do not count the same blocks") }
        broken += self.checkBlocks()
        broken += self.checkList()
        broken += self.checkWeights()
        return broken
    }

    private func checkBlocks() -> [String] {
        var broken: [String] = []
        var children: [Int32: Int32] = [:]
        for (position, entry) in self.entries.enumerated() where entry.isUsed {
            if self.table.find(entry.hash, in: self.entries.span) != Int32(position) {
                broken.append("a block is not found by its hash")
            }
            guard entry.parent >= 0 else { continue }
            children[entry.parent, default: 0] += 1
            if !self.entries[Int(entry.parent)].isUsed { broken.append("a block outlived the one before it") }
        }
        for (position, entry) in self.entries.enumerated() where entry.isUsed {
            if children[Int32(position), default: 0] != entry.children {
                broken.append("a block miscounts its children")
            }
            var slots: [Int] = []
            self.forEachOwner(of: Int32(position)) { slot, _ in slots.append(slot) }
            if Set(slots).count != slots.count { broken.append("a block names a replica twice") }
        }
        if self.entries.count(where: { $0.isUsed }) != self.count { broken.append("the arena miscounts its blocks") }
        return broken
    }

    private func checkList() -> [String] {
        var broken: [String] = []
        var place: [Int32: Int] = [:]
        var entry = self.newest
        while entry >= 0, place.count <= self.count {
            place[entry] = place.count
            entry = self.entries[Int(entry)].older
        }
        if place.count != self.count { broken.append("the list and the arena do not hold the same blocks") }
        for (entry, position) in place {
            let parent = self.entries[Int(entry)].parent
            if parent >= 0, (place[parent] ?? .max) >= position {
                broken.append("a block is newer than the one before it")
            }
        }
        return broken
    }

    private func checkWeights() -> [String] {
        var weights = [UInt64](repeating: 0, count: self.caches.count)
        for (position, entry) in self.entries.enumerated() where entry.isUsed {
            self.forEachOwner(of: Int32(position)) { slot, stamp in
                if self.caches[slot].knows(stamp) { weights[slot] += UInt64(entry.bytes) }
            }
        }
        return self.caches.indices.filter { self.caches[$0].totalBytes != weights[$0] }
            .map { "slot \($0) weighs its blocks wrongly" }
    }
}
