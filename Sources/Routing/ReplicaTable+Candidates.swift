/// Who may be chosen.
extension ReplicaTable {
    /// Fills `candidates` with those that may be chosen; with those of the last resort when there are no others.
    mutating func gather(_ excluding: [ReplicaID], hinted: Bool) {
        self.gather(.candidate, excluding, hinted: hinted)
        if self.candidates.isEmpty { self.gather(.lastResort, excluding, hinted: hinted) }
    }

    private mutating func gather(_ standing: Availability.Standing, _ excluding: [ReplicaID], hinted: Bool) {
        // Taken out and put back, so that each is written without a look at who else refers to them.
        var candidates = ContiguousArray<Candidate>()
        swap(&candidates, &self.candidates)
        let nobody = Candidate(replica: ReplicaID(number: 0), inFlight: 0)
        while candidates.count < self.order.count { candidates.append(nobody) }
        var room = candidates.mutableSpan
        let count = self.gather(standing, excluding, hinted: hinted, into: &room)
        candidates.removeLast(candidates.count - count)
        swap(&candidates, &self.candidates)
    }

    /// Writes them to `room`, which has one element per replica at least. Returns how many there are.
    private func gather(
        _ standing: Availability.Standing, _ excluding: [ReplicaID], hinted: Bool,
        into room: inout MutableSpan<Candidate>
    ) -> Int {
        let (order, members) = (self.order.span, self.members.span)
        let isLimiting = self.isLimiting
        var count = 0
        for position in order.indices {
            guard let member = members[order[position]], member.availability.standing == standing,
                excluding.isEmpty || !excluding.contains(member.replica)
            else { continue }
            room[count] = member.candidate
            if isLimiting { room[count].hasRoom = member.inFlight < self.limit(of: member) }
            count += 1
        }
        if let expected = self.expected {
            guard hinted else { return count }
            let held = expected.held.span
            for position in 0..<count { room[position].matchedBlocks = held[room[position].slot].blocks }
        } else {
            let depths = self.depths.span
            for position in 0..<count {
                room[position].cachedBlocks = self.index.blocks(heldBy: room[position].slot)
                if hinted { room[position].matchedBlocks = depths[room[position].slot] }
            }
        }
        return count
    }
}
