import Routing

/// What a `PrefixIndex` should do, said with a dictionary and an array that are searched from end to end.
struct PrefixModel {
    struct Mark: Equatable {
        var owner: Int
        var time: UInt64
        var serial: Int
    }

    struct Entry {
        var parent: UInt64?
        var marks: [Mark] = []
    }

    struct Ticket {
        var owner: Int
        var serial: Int
        /// The deepest first.
        var claimed: [UInt64]
    }

    var capacity: Int
    /// Milliseconds; zero is for ever.
    var timeToLive: UInt64
    var entries: [UInt64: Entry] = [:]
    /// Newest first.
    var order: [UInt64] = []
    var serial = 0

    init(capacity: Int, timeToLive: UInt64) {
        self.capacity = capacity
        self.timeToLive = timeToLive
    }

    func isLive(_ mark: Mark, _ now: UInt64) -> Bool { self.timeToLive == 0 || now - mark.time <= self.timeToLive }

    func blocks(heldBy owner: Int) -> Int {
        self.entries.values.count { $0.marks.contains { $0.owner == owner } }
    }

    func match(_ chain: [UInt64], owner: Int, at now: UInt64) -> Int {
        var depth = 0
        for (position, hash) in chain.enumerated() {
            guard let entry = self.entries[hash] else { break }
            if entry.marks.contains(where: { $0.owner == owner && self.isLive($0, now) }) { depth = position + 1 }
        }
        return depth
    }

    mutating func note(_ chain: [UInt64], owner: Int, at now: UInt64) -> Ticket {
        self.serial += 1
        let chain = Array(chain.prefix(self.capacity))
        let held = self.match(chain, owner: owner, at: now)
        for (position, hash) in chain.enumerated() {
            if let place = self.order.firstIndex(of: hash) {
                self.order.remove(at: place)
            } else {
                if self.order.count == self.capacity { self.entries[self.order.removeLast()] = nil }
                self.entries[hash] = Entry(parent: position == 0 ? nil : chain[position - 1])
            }
            self.order.insert(hash, at: position)
            self.mark(hash, owner, now)
        }
        return Ticket(owner: owner, serial: self.serial, claimed: chain.dropFirst(held).reversed())
    }

    private mutating func mark(_ hash: UInt64, _ owner: Int, _ now: UInt64) {
        var marks = self.entries[hash]?.marks ?? []
        marks.removeAll { $0.owner == owner || !self.isLive($0, now) }
        if marks.count == 4, let oldest = marks.min(by: { $0.time < $1.time }) { marks.removeAll { $0 == oldest } }
        marks.append(Mark(owner: owner, time: now, serial: self.serial))
        self.entries[hash]?.marks = marks
    }

    mutating func withdraw(_ ticket: Ticket) {
        func isOwn(_ mark: Mark) -> Bool { mark.owner == ticket.owner && mark.serial == ticket.serial }
        guard let deepest = ticket.claimed.first, self.entries[deepest]?.marks.contains(where: isOwn) == true else {
            return
        }
        for hash in ticket.claimed {
            self.entries[hash]?.marks.removeAll(where: isOwn)
            let isLeaf = !self.entries.values.contains { $0.parent == hash }
            if isLeaf, self.entries[hash]?.marks.isEmpty == true { self.remove(hash) }
        }
    }

    mutating func forget(_ owner: Int) {
        for hash in self.order { self.entries[hash]?.marks.removeAll { $0.owner == owner } }
    }

    mutating func sweep(at now: UInt64, limit: Int) -> Int {
        var removed = 0
        while removed < limit, let last = self.order.last,
            self.entries[last]?.marks.contains(where: { self.isLive($0, now) }) == false
        {
            self.remove(last)
            removed += 1
        }
        return removed
    }

    private mutating func remove(_ hash: UInt64) {
        self.entries[hash] = nil
        self.order.removeAll { $0 == hash }
    }
}
