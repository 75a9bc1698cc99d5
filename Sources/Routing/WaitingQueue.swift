/// The streams of one cluster that wait for a replica, and whose turn it is: start-time fair queuing between callers
/// (Goyal, Vin and Cheng, 1996) by the work that their prompts are predicted to be, and an order of its own among the
/// prompts of each caller.
///
/// ```
/// caller A   [ 2 s ][ 1 s ]            served: the caller that was given least work so far, then its next prompt
/// caller B   [ .1 s ]                  a caller that comes new starts where the others are, not at zero
/// ```
/// A caller that waits is passed by nobody for ever: its account stands still while those of the others grow. A value,
/// part of a `ReplicaTable`; bounded by whoever appends.
struct WaitingQueue: Sendable {
    /// By `order`, except for those that came after `arrange`.
    private(set) var prompts = ContiguousArray<WaitingPrompt>()
    /// Positions in `prompts`, by turn. Made by `arrange`.
    private(set) var sequence = ContiguousArray<Int>()
    private var callers = ContiguousArray<Caller>()
    /// Positions in `callers` that nobody uses.
    private var unusedCallers: [Int] = []
    /// Callers that wait.
    private var waitingCallers = 0
    /// What callers that are not behind have been given, in seconds of work.
    private var given = 0.0
    /// When a stream left the queue last to be served, while others went on waiting.
    private var lastDispatch: Instant?
    /// Seconds between two that leave, averaged, and over how many.
    private(set) var meanInterval = 0.0
    private(set) var intervals = 0
    /// When the queue is to be looked at again although nothing happens.
    var wakeAt: Instant?

    private struct Caller: Sendable {
        var key: UInt64
        /// What it was given so far, in seconds of work.
        var account: Double
        var waiting = 0
        /// For `arrange`: its account when all before a prompt have been served.
        var ahead = 0.0
        var isUsed = true
    }

    /// Most callers that are remembered although they do not wait.
    private static let maxIdleCallers = 1_024

    var isEmpty: Bool { self.prompts.isEmpty }
    var count: Int { self.prompts.count }

    mutating func append(_ prompt: WaitingPrompt, at now: Instant) {
        if self.isEmpty { self.lastDispatch = now }
        var prompt = prompt
        prompt.caller = self.caller(prompt.terms.caller)
        if self.callers[prompt.caller].waiting == 0 {
            self.waitingCallers += 1
            self.callers[prompt.caller].account = max(self.callers[prompt.caller].account, self.given)
        }
        self.callers[prompt.caller].waiting += 1
        self.prompts.append(prompt)
    }

    /// Changes one prompt's order or what is known of it. `arrange` follows.
    mutating func update(_ position: Int, _ change: (inout WaitingPrompt) -> Void) { change(&self.prompts[position]) }

    /// Takes a prompt out that will not be served from here.
    @discardableResult
    mutating func remove(at position: Int) -> WaitingPrompt {
        let prompt = self.prompts.remove(at: position)
        self.callers[prompt.caller].waiting -= 1
        if self.callers[prompt.caller].waiting == 0 { self.waitingCallers -= 1 }
        if self.isEmpty { self.becameEmpty() }
        return prompt
    }

    /// Takes a prompt out that goes to its replica, and counts its work for its caller.
    mutating func dispatch(at position: Int, _ now: Instant) -> WaitingPrompt {
        let caller = self.prompts[position].caller
        self.given = max(self.given, self.callers[caller].account)
        self.callers[caller].account += max(self.prompts[position].ownSeconds, 0.001)
        if let last = self.lastDispatch {
            let seconds = Double(now.nanoseconds(since: last)) * 1e-9
            self.intervals += 1
            self.meanInterval += max(0.05, 1 / Double(self.intervals)) * (seconds - self.meanInterval)
        }
        self.lastDispatch = now
        return self.remove(at: position)
    }

    /// Another replica has `slot` from now on, and nobody knows what it holds.
    mutating func forget(slot: Int) {
        for position in self.prompts.indices {
            while self.prompts[position].held.count <= slot { self.prompts[position].held.append(.nothing) }
            self.prompts[position].held[slot] = .nothing
        }
    }

    mutating func withdraw(_ id: UInt64) {
        if let position = self.prompts.firstIndex(where: { $0.id == id }) { self.remove(at: position) }
    }

    /// Puts the prompts into their order and finds out whose turn it is.
    mutating func arrange() {
        for position in self.prompts.indices.dropFirst() {
            // Insertion: they were in order a moment ago, and orders change little.
            var place = position
            while place > 0, self.prompts[place - 1].order > self.prompts[place].order {
                self.prompts.swapAt(place - 1, place)
                place -= 1
            }
        }
        self.sequence.removeAll(keepingCapacity: true)
        self.sequence.append(contentsOf: self.prompts.indices)
        guard self.waitingCallers > 1 else { return }
        for position in self.callers.indices { self.callers[position].ahead = self.callers[position].account }
        for position in self.prompts.indices {
            let caller = self.prompts[position].caller
            self.prompts[position].turn = self.callers[caller].ahead
            self.callers[caller].ahead += max(self.prompts[position].ownSeconds, 0.001)
        }
        self.sequence.sort { left, right in
            (self.prompts[left].turn, left) < (self.prompts[right].turn, right)
        }
    }

    /// How many would go before a prompt of this caller that came now.
    func rank(ofCaller key: UInt64) -> Int {
        guard let caller = self.callers.firstIndex(where: { $0.isUsed && $0.key == key }),
            self.callers[caller].waiting > 0
        else {
            // At least one prompt of each caller that waits; more of none, if all get the same.
            return self.waitingCallers
        }
        let own = self.callers[caller].waiting
        return min(self.count, own * self.waitingCallers)
    }

    /// Seconds until as many have left, if it goes on as it went; nil while too few have.
    func seconds(untilLeft count: Int) -> Double? {
        self.intervals >= 8 ? self.meanInterval * Double(count) : nil
    }

    /// When half of those that wait should be gone, in milliseconds.
    var retryAfterMs: Int {
        let seconds = self.seconds(untilLeft: (self.count + 1) / 2) ?? 1
        return Int(min(max(seconds, 0.05), 60) * 1_000)
    }

    private mutating func caller(_ key: UInt64) -> Int {
        if let known = self.callers.firstIndex(where: { $0.isUsed && $0.key == key }) { return known }
        let caller = Caller(key: key, account: self.given)
        if let position = self.unusedCallers.popLast() {
            self.callers[position] = caller
            return position
        }
        if self.callers.count >= Self.maxIdleCallers { self.forgetIdleCallers() }
        if let position = self.unusedCallers.popLast() {
            self.callers[position] = caller
            return position
        }
        self.callers.append(caller)
        return self.callers.count - 1
    }

    /// Forgets callers that owe nothing; all that do not wait when that is nobody.
    private mutating func forgetIdleCallers() {
        for owesNothing in [true, false] where self.unusedCallers.isEmpty {
            for position in self.callers.indices where self.callers[position].isUsed {
                let caller = self.callers[position]
                guard caller.waiting == 0, !owesNothing || caller.account <= self.given else { continue }
                self.callers[position].isUsed = false
                self.unusedCallers.append(position)
            }
        }
    }

    /// Nobody waits, so nobody is owed anything.
    private mutating func becameEmpty() {
        self.callers.removeAll(keepingCapacity: true)
        self.unusedCallers.removeAll(keepingCapacity: true)
        self.given = 0
        self.lastDispatch = nil
        self.intervals = min(self.intervals, 4)
        self.wakeAt = nil
    }
}

extension WaitingQueue {
    /// One sentence per broken promise.
    func checkInvariants() -> [String] {
        var broken: [String] = []
        for (position, caller) in self.callers.enumerated() where caller.isUsed {
            let waiting = self.prompts.count { $0.caller == position }
            if waiting != caller.waiting { broken.append("the queue miscounts the prompts of a caller") }
        }
        if self.waitingCallers != Set(self.prompts.map(\.terms.caller)).count {
            broken.append("the queue miscounts its callers")
        }
        if Set(self.prompts.map(\.id)).count != self.count { broken.append("a stream waits twice") }
        if self.isEmpty, self.wakeAt != nil { broken.append("an empty queue wants to be woken") }
        return broken
    }
}
