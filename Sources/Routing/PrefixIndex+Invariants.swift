/// What must hold between any two calls. For tests: it looks at every block.
extension PrefixIndex {
    /// One sentence per broken promise; empty when the index is sound.
    public func checkInvariants() -> [String] {
        var broken: [String] = []
        if self.count > self.capacity { broken.append("the index remembers more than it may") }
        if self.table.count != self.count { broken.append("the table and the arena do not count the same blocks") }
        broken += self.checkList()
        broken += self.checkTree()
        broken += self.checkMarks()
        return broken
    }

    private func checkList() -> [String] {
        var broken: [String] = []
        var place: [Int32: Int] = [:]
        var newer = PrefixEntry.none
        var entry = self.newest
        while entry >= 0, place.count <= self.count {
            if self.entries[Int(entry)].newer != newer { broken.append("a block does not know its newer neighbour") }
            place[entry] = place.count
            newer = entry
            entry = self.entries[Int(entry)].older
        }
        if newer != self.oldest { broken.append("the list does not end with the oldest block") }
        if place.count != self.count { broken.append("the list and the arena do not hold the same blocks") }
        for (entry, position) in place {
            let parent = self.entries[Int(entry)].parent
            if parent >= 0, (place[parent] ?? .max) >= position {
                broken.append("a block is newer than the one before it")
            }
        }
        return broken
    }

    private func checkTree() -> [String] {
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
        }
        if self.entries.count(where: { $0.isUsed }) != self.count { broken.append("the arena miscounts its blocks") }
        return broken
    }

    private func checkMarks() -> [String] {
        var broken: [String] = []
        var held = [Int](repeating: 0, count: self.holders.count)
        for entry in self.entries where entry.isUsed {
            var slots: [UInt16] = []
            for index in 0..<PrefixEntry.markLimit where self.isCurrent(entry.marks[index]) {
                held[Int(entry.marks[index].slot)] += 1
                slots.append(entry.marks[index].slot)
            }
            if Set(slots).count != slots.count { broken.append("a block names a replica twice") }
        }
        for (slot, holder) in self.holders.enumerated() where holder.blocks != held[slot] {
            broken.append("slot \(slot) counts \(holder.blocks) blocks and holds \(held[slot])")
        }
        return broken
    }
}
