internal import CLinux

/// The timers of one loop: a binary heap, and the kernel's clock set to the first of them.
///
/// Adding and removing cost O(log n). The clock is set anew only when another timer becomes the first, so a turn of the
/// loop costs no look at the time.
struct TimerHeap {
    /// A timerfd; the loop watches and closes it.
    let clock: CInt
    private var entries = ContiguousArray<LoopTimer.Entry>()
    /// For when the clock is set.
    private var alarm: UInt64 = .max
    private(set) var isDue = false

    init(_ clock: CInt) { self.clock = clock }

    /// An entry that was cancelled before it came here is left out.
    mutating func add(_ entry: LoopTimer.Entry) {
        guard entry.hasBody else { return }
        entry.place = self.entries.count
        self.entries.append(entry)
        self.rise(from: entry.place)
        if entry.due < self.alarm { self.setAlarm() }
    }

    /// Gives back what it would have done: what that keeps alive ends when the heap is no longer in use, since it may
    /// cancel timers of its own.
    @discardableResult
    mutating func remove(_ entry: LoopTimer.Entry) -> (@Sendable () -> Void)? {
        // The clock stays as it is: a look too many costs less than setting it.
        if entry.place >= 0 { self.take(at: entry.place) }
        return entry.takeBody()
    }

    /// Any of them, which from now on is over; nil when there is none.
    mutating func removeLast() -> (@Sendable () -> Void)? {
        guard let last = self.entries.last else { return nil }
        self.take(at: last.place)
        return last.takeBody() ?? {}
    }

    mutating func clockRang() { self.isDue = true }

    /// The first timer that is due at `now`, which from now on is over; nil when there is none.
    mutating func takeDue(at now: UInt64) -> (@Sendable () -> Void)? {
        while let first = self.entries.first, first.due <= now {
            self.take(at: 0)
            if let body = first.takeBody() { return body }
        }
        return nil
    }

    /// Has the clock ring when the first timer is due. After what was due has been taken.
    mutating func setAlarm() {
        self.isDue = false
        self.alarm = self.entries.first?.due ?? .max
        guard self.alarm != .max else { return }
        homing_clock_set(self.clock, self.alarm)
    }

    // MARK: - The heap

    @discardableResult
    private mutating func take(at place: Int) -> LoopTimer.Entry {
        let entry = self.entries[place]
        let last = self.entries.removeLast()
        entry.place = -1
        guard place < self.entries.count else { return entry }
        self.entries[place] = last
        last.place = place
        self.rise(from: place)
        self.sink(from: last.place)
        return entry
    }

    private mutating func rise(from start: Int) {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard self.entries[place].due < self.entries[parent].due else { return }
            self.exchange(place, parent)
            place = parent
        }
    }

    private mutating func sink(from start: Int) {
        var place = start
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < self.entries.count && self.entries[child].due < self.entries[least].due {
                least = child
            }
            guard least != place else { return }
            self.exchange(place, least)
            place = least
        }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        self.entries.swapAt(one, other)
        self.entries[one].place = one
        self.entries[other].place = other
    }
}
