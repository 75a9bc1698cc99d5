/// Remembers who gets what, and takes it back.
extension CacheIndex {
    /// Remembers that the replica in `slot` gets `chain` now. A chain longer than the index is noted in part.
    public mutating func note(_ chain: PrefixChain, slot: Int, at now: Instant) -> CacheTicket {
        self.noteAndProfile(chain, slot: slot, at: now).ticket
    }

    /// As `note`. Also returns what the replica knew of `chain` before, with how deep in its cache each part lay.
    mutating func noteAndProfile(
        _ chain: PrefixChain, slot: Int, at now: Instant
    ) -> (ticket: CacheTicket, profile: CacheProfile) {
        let limit = min(chain.count, self.capacity)
        self.completePath(chain, limit: limit)
        let profile = self.profile(slot)
        self.movePathToFront()
        // A block with another parent has the same hash as the next one: nothing can be added there.
        if self.pathCount < limit, self.table.find(chain[self.pathCount], in: self.entries.span) < 0 {
            self.extendPath(chain, to: limit, at: now)
        }
        let reached = self.pathCount
        guard reached > 0 else { return (.nothing, profile) }
        let deepest = self.path[reached - 1].entry
        let claimed = self.touch(from: deepest, slot: slot, onlyKnown: false)
        return (
            CacheTicket(entry: deepest, claimed: claimed, hash: chain[reached - 1], slot: UInt16(slot)), profile
        )
    }

    /// Adds the blocks of `chain` behind the path. Those of the path are the newest of the list: the oldest ones, which
    /// make room, are not among them.
    private mutating func extendPath(_ chain: PrefixChain, to limit: Int, at now: Instant) {
        let first = self.pathCount
        for position in first..<limit { self.table.readAhead(chain[position]) }
        self.removeOldest(self.count + limit - first - self.capacity)
        let period = BranchCount.period(at: now)
        var deepest = first > 0 ? self.path[first - 1].entry : CacheEntry.none
        if deepest >= 0 { self.entries[Int(deepest)].branches.add(in: period) }
        while self.pathCount < limit {
            let position = self.pathCount
            let entry = self.add(
                chain[position], parent: deepest, bytes: UInt32(clamping: chain.bytes(of: position)))
            self.link(entry, behind: deepest)
            if position + 1 < limit { self.entries[Int(entry)].branches.add(in: period) }
            self.path[position].entry = entry
            self.pathCount += 1
            deepest = entry
        }
        for position in first..<limit { self.table.insert(self.path[position].entry, in: self.entries) }
    }

    /// The replica is done with what was noted: it used all of it until now. What it forgot since stays forgotten.
    public mutating func touchAgain(_ ticket: CacheTicket) {
        guard self.isCurrent(ticket) else { return }
        _ = self.touch(from: ticket.entry, slot: Int(ticket.slot), onlyKnown: true)
    }

    /// Takes back what a note claimed, because its stream never reached the replica: the blocks that the replica was
    /// not known to have. That the others were touched stays believed.
    public mutating func withdraw(_ ticket: CacheTicket) {
        guard self.isCurrent(ticket) else { return }
        var entry = ticket.entry
        for _ in 0..<ticket.claimed where entry >= 0 {
            let parent = self.entries[Int(entry)].parent
            self.removeOwner(Int(ticket.slot), of: entry)
            if self.entries[Int(entry)].children == 0, !self.hasOwner(entry) { self.remove(entry) }
            entry = parent
        }
    }

    private func isCurrent(_ ticket: CacheTicket) -> Bool {
        ticket.entry >= 0 && self.entries[Int(ticket.entry)].isUsed
            && self.entries[Int(ticket.entry)].hash == ticket.hash
    }

    /// What the replica in `slot` knows of the path.
    private func profile(_ slot: Int) -> CacheProfile {
        var profile = CacheProfile()
        var lastStamp: UInt32 = 0
        for position in 0..<self.pathCount {
            let entry = self.path[position].entry
            let stamp = self.stamp(of: slot, entry)
            if stamp == 0 { return profile }
            guard self.caches[slot].knows(stamp) else { return profile }
            // The depth is looked up where the stamp changes; a prompt has few different ones.
            if stamp != lastStamp {
                profile.beginSegment(depth: self.caches[slot].depth(of: stamp), isHeld: self.caches[slot].holds(stamp))
                lastStamp = stamp
            }
            profile.add(self.entries[Int(entry)].bytes)
        }
        return profile
    }

    /// The second reference to the path ends here, so that it can be written again without a copy.
    @inline(never)
    private mutating func movePathToFront() {
        let path = self.path
        Self.moveToFront(
            path.span.extracting(0..<self.pathCount), &self.entries, newest: &self.newest, oldest: &self.oldest)
    }

    /// Makes the path the newest of the list, its first block first. Blocks that stand together move together.
    private static func moveToFront(
        _ path: Span<PathStep>, _ entries: inout ContiguousArray<CacheEntry>, newest: inout Int32, oldest: inout Int32
    ) {
        var entries = entries.mutableSpan
        var deepest = CacheEntry.none
        var first = 0
        while first < path.count {
            let head = path[first].entry
            var last = head
            first += 1
            while first < path.count, entries[Int(path[first].entry)].newer == last {
                last = path[first].entry
                first += 1
            }
            let newer = entries[Int(head)].newer
            if newer != deepest {
                let older = entries[Int(last)].older
                if newer >= 0 { entries[Int(newer)].older = older } else { newest = older }
                if older >= 0 { entries[Int(older)].newer = newer } else { oldest = newer }
                let next = deepest >= 0 ? entries[Int(deepest)].older : newest
                entries[Int(head)].newer = deepest
                entries[Int(last)].older = next
                if deepest >= 0 { entries[Int(deepest)].older = head } else { newest = head }
                if next >= 0 { entries[Int(next)].newer = last } else { oldest = last }
            }
            deepest = last
        }
    }

    /// The replica touches the block and all before it now, from the deep end: it has no block more recently than the one
    /// before it. With `onlyKnown`, only those that it is known to have. Returns how many it was not known to have.
    private mutating func touch(from deepest: Int32, slot: Int, onlyKnown: Bool) -> Int32 {
        var unknown: Int32 = 0
        var entry = deepest
        while entry >= 0 {
            var run = TouchRun(self.caches[slot].generationToTouch(), slot: slot, onlyKnown: onlyKnown)
            while true {
                entry = Self.touch(from: entry, &run, &self.entries, &self.caches[slot])
                guard entry >= 0, !run.isFull else { break }
                entry = self.touchBehind(entry, &run)
            }
            self.caches[slot].move(run.left, to: run.came)
            unknown += run.unknown
        }
        return unknown
    }

    /// Up to the end of the run, or to a block whose owners the entry does not tell, which is returned.
    private static func touch(
        from deepest: Int32, _ run: inout TouchRun, _ entries: inout ContiguousArray<CacheEntry>,
        _ cache: inout ReplicaCache
    ) -> Int32 {
        var entries = entries.mutableSpan
        var entry = deepest
        while entry >= 0, !run.isFull {
            let place = entries[Int(entry)].place(of: run.slot)
            if place >= 0 {
                let before = entries[Int(entry)].stamps[place]
                if run.touches(before, entries[Int(entry)].bytes, &cache) {
                    entries[Int(entry)].stamps[place] = run.came.stamp
                }
            } else {
                guard entries[Int(entry)].slots[0] == CacheEntry.noSlot, !entries[Int(entry)].hasMoreOwners else {
                    return entry
                }
                if run.touches(0, entries[Int(entry)].bytes, &cache) {
                    entries[Int(entry)].slots[0] = UInt16(truncatingIfNeeded: run.slot)
                    entries[Int(entry)].stamps[0] = run.came.stamp
                }
            }
            entry = entries[Int(entry)].parent
        }
        return entry
    }

    /// One block that names others, but not the replica. Returns the block before it.
    private mutating func touchBehind(_ entry: Int32, _ run: inout TouchRun) -> Int32 {
        let before = self.stampBehind(entry, run.slot)
        if run.touches(before, self.entries[Int(entry)].bytes, &self.caches[run.slot]) {
            self.setStampBehind(entry, run.slot, run.came.stamp, isThere: before != 0)
        }
        return self.entries[Int(entry)].parent
    }
}

/// Blocks that one replica touches one after another, in one generation of its cache.
private struct TouchRun {
    let slot: Int
    private let onlyKnown: Bool
    /// Blocks that the generation still takes, and the oldest generation of which anything is known.
    private let room: Int
    private let oldest: UInt32
    private(set) var came: TouchedBlocks
    /// Blocks that lie in one generation leave it together.
    private(set) var left = TouchedBlocks(stamp: 0)
    /// Blocks that the replica was not known to have.
    private(set) var unknown: Int32 = 0

    init(_ generation: (stamp: UInt32, room: Int, oldest: UInt32), slot: Int, onlyKnown: Bool) {
        self.slot = slot
        self.onlyKnown = onlyKnown
        self.room = generation.room
        self.oldest = generation.oldest
        self.came = TouchedBlocks(stamp: generation.stamp)
    }

    var isFull: Bool { self.came.blocks >= self.room }

    /// The next block, last touched in the generation `before`, zero for never. Returns whether it is touched now.
    @inline(__always)
    mutating func touches(_ before: UInt32, _ bytes: UInt32, _ cache: inout ReplicaCache) -> Bool {
        let isKnown = before >= self.oldest
        if isKnown {
            if before != self.left.stamp {
                cache.leave(self.left)
                self.left = TouchedBlocks(stamp: before)
            }
            self.left.add(bytes)
        } else {
            self.unknown += 1
        }
        guard isKnown || !self.onlyKnown else { return false }
        self.came.add(bytes)
        return true
    }
}
