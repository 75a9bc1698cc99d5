/// Who may be chosen.
extension ReplicaTable {
    /// Fills `candidates` with those that may be chosen; with those of the last resort when there are no others.
    mutating func gather(_ excluding: [ReplicaID], hinted: Bool) {
        let isWhole = excluding.isEmpty && !self.isLimiting
        if !isWhole || !self.isGathered {
            self.gather(.candidate, excluding)
            if self.candidates.isEmpty { self.gather(.lastResort, excluding) }
        }
        self.readPrompt(hinted: hinted)
        guard isWhole, !self.isGathered else { return }
        self.places.removeAll(keepingCapacity: true)
        self.places.append(contentsOf: repeatElement(-1, count: self.members.count))
        for position in self.candidates.indices { self.places[self.candidates[position].slot] = position }
        self.isGathered = true
    }

    /// Changes what a pick sees of the member in `slot`, here and among the candidates.
    mutating func changeCandidate(slot: Int, picks: UInt64 = 0, _ change: (inout Candidate) -> Void) {
        guard var member = self.members[slot] else { return }
        let isGathered = self.isGathered
        change(&member.candidate)
        member.picks += picks
        self.members[slot] = member
        guard isGathered else { return }
        let place = self.places[slot]
        if place >= 0 { self.candidates[place] = member.candidate }
        self.isGathered = true
    }

    private mutating func gather(_ standing: Availability.Standing, _ excluding: [ReplicaID]) {
        // Taken out and put back, so that each is written without a look at who else refers to them.
        var candidates = ContiguousArray<Candidate>()
        swap(&candidates, &self.candidates)
        let nobody = Candidate(replica: ReplicaID(number: 0), inFlight: 0)
        while candidates.count < self.order.count { candidates.append(nobody) }
        var room = candidates.mutableSpan
        let count = self.gather(standing, excluding, into: &room)
        candidates.removeLast(candidates.count - count)
        swap(&candidates, &self.candidates)
    }

    /// Writes them to `room`, which has one element per replica at least. Returns how many there are.
    private func gather(
        _ standing: Availability.Standing, _ excluding: [ReplicaID], into room: inout MutableSpan<Candidate>
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
        return count
    }

    /// Writes to the candidates what is known of each and the prompt.
    private mutating func readPrompt(hinted: Bool) {
        let isGathered = self.isGathered
        var candidates = ContiguousArray<Candidate>()
        swap(&candidates, &self.candidates)
        if self.expected != nil {
            self.expected?.writeMatches(to: &candidates, hinted: hinted)
        } else {
            Self.writeMatches(to: &candidates, hinted ? self.depths : [], self.index)
        }
        swap(&candidates, &self.candidates)
        self.isGathered = isGathered
    }

    private static func writeMatches(
        to candidates: inout ContiguousArray<Candidate>, _ depths: ContiguousArray<Int>, _ index: PrefixIndex
    ) {
        var candidates = candidates.mutableSpan
        for position in candidates.indices {
            let slot = candidates[position].slot
            candidates[position].cachedBlocks = index.blocks(heldBy: slot)
            candidates[position].matchedBlocks = depths.isEmpty ? 0 : depths[slot]
        }
    }
}

extension ExpectedTTFT {
    /// Mutating, so that it is called where it is: what only looks would be given a copy, which is half a kilobyte.
    fileprivate mutating func writeMatches(to candidates: inout ContiguousArray<Candidate>, hinted: Bool) {
        var candidates = candidates.mutableSpan
        let held = self.held.span
        for position in candidates.indices {
            candidates[position].matchedBlocks = hinted ? held[candidates[position].slot].blocks : 0
        }
    }
}
