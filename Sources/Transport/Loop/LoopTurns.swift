internal import CLinux
internal import Glibc

/// What a loop works with, turn after turn: what the kernel watches for it, its tasks, its timers, its regions of memory.
/// Touched on the loop's thread only, except `wake`; `Loop` sees to that.
///
/// Safe to use: the regions and the room for events are made in init, freed in deinit, and never leave Transport.
@safe final class LoopTurns: @unchecked Sendable {
    private let epoll: CInt
    private let bell: CInt
    private let events: UnsafeMutablePointer<homing_event>
    /// So many are taken from the kernel at once; the rest are for the next turn.
    private static let mostEvents = 256
    /// Tasks that make tasks that make tasks have this many goes in one turn, so that links are served meanwhile.
    private static let mostRounds = 16

    var tasks = ContiguousArray<@Sendable () -> Void>()
    private var running = ContiguousArray<@Sendable () -> Void>()
    var timers: TimerHeap
    /// Other threads have left something.
    private(set) var hasMail = false
    var isStopping = false
    /// When what is being acted on came: the clock is read once for an event, a round of tasks, and the timers of a turn.
    private(set) var moment = Loop.now
    /// Links that were closed and have not told their handlers yet.
    private var ending = ContiguousArray<Link>()
    let output = LoopOutput()
    /// Keeps alive what the kernel watches for us.
    private var watched = ContiguousArray<Watched>()
    /// No more watched, and perhaps among the events of this turn still.
    private var departed = ContiguousArray<Watched>()

    /// Where links read. One for all: bytes are valid during the call of the handler only, so idle links hold no memory.
    let input = UnsafeMutableRawBufferPointer.allocate(byteCount: LoopTurns.regionBytes, alignment: 16)
    static let regionBytes = 64 * 1024

    init() {
        self.epoll = homing_epoll_make()
        self.bell = homing_bell_make()
        let clock = homing_clock_make()
        unsafe self.events = .allocate(capacity: Self.mostEvents)
        self.timers = TimerHeap(clock)
        precondition(
            homing_epoll_add_bell(self.epoll, self.bell, Self.bellRang)
                && homing_epoll_add_bell(self.epoll, clock, Self.clockRang),
            "a process that starts has three descriptors for each loop")
    }

    /// What the kernel says instead of whom it means.
    private static let bellRang: UInt64 = 0
    private static let clockRang: UInt64 = 1

    deinit {
        close(self.timers.clock)
        close(self.bell)
        close(self.epoll)
        unsafe self.events.deallocate()
        unsafe self.input.deallocate()
    }

    /// From any thread.
    func wake() {
        homing_bell_ring(self.bell)
    }

    // MARK: A turn

    /// Waits until there is something to do, and hands on what the kernel tells.
    func wait() {
        let isBusy = !self.tasks.isEmpty || !self.ending.isEmpty || !self.output.isEmpty
        let count = unsafe homing_epoll_wait(self.epoll, self.events, CInt(Self.mostEvents), !isBusy)
        self.hasMail = false
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            let event = unsafe self.events[index]
            switch event.data {
            case Self.bellRang: self.hasMail = true
            case Self.clockRang: self.timers.clockRang()
            case let address:
                guard let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(address)) else { continue }
                self.moment = Loop.now
                // Whoever has been let go of in this turn is alive until its end.
                unsafe Unmanaged<Watched>.fromOpaque(pointer)._withUnsafeGuaranteedRef { watched in
                    if watched.isWatched { watched.ready(event.events) }
                }
            }
        }
    }

    /// The rest of a turn.
    func finish() {
        if self.timers.isDue { self.runTimers() }
        if !self.tasks.isEmpty { self.runTasks() }
        if !self.ending.isEmpty { self.endLinks() }
        self.output.flush()
        if !self.departed.isEmpty {
            let departed = self.departed
            self.departed = []
            withExtendedLifetime(departed) {}
        }
    }

    /// Timers that are made meanwhile wait for another turn.
    private func runTimers() {
        self.moment = Loop.now
        while let body = self.timers.takeDue(at: self.moment) { body() }
        self.timers.setAlarm()
    }

    private func runTasks() {
        var rounds = 0
        while !self.tasks.isEmpty, rounds < Self.mostRounds {
            self.moment = Loop.now
            swap(&self.tasks, &self.running)
            for index in self.running.indices { self.running[index]() }
            // What they kept alive may have more to do when it ends.
            self.running.removeAll(keepingCapacity: self.running.count <= 256)
            rounds += 1
        }
    }

    private func endLinks() {
        let links = self.ending
        self.ending.removeAll()
        for link in links { link.end() }
    }

    /// The link ends in this turn or the next one.
    func endSoon(_ link: Link) { self.ending.append(link) }

    // MARK: Watching

    /// Returns where it is kept, or nil when the kernel cannot watch it.
    func add(_ object: Watched, _ descriptor: CInt, for interest: UInt32) -> Int? {
        guard homing_epoll_add(self.epoll, descriptor, interest, Self.address(of: object)) else { return nil }
        self.watched.append(object)
        return self.watched.count - 1
    }

    func change(_ object: Watched, _ descriptor: CInt, to interest: UInt32) {
        _ = homing_epoll_change(self.epoll, descriptor, interest, Self.address(of: object))
    }

    /// The kernel forgets it, also when the descriptor has a twin in a process that is being started.
    func remove(_ object: Watched, _ descriptor: CInt, from place: Int) {
        homing_epoll_remove(self.epoll, descriptor)
        self.departed.append(object)
        self.watched.swapAt(place, self.watched.count - 1)
        self.watched.removeLast()
        if place < self.watched.count { self.watched[place].moved(to: place) }
    }

    private static func address(of object: Watched) -> UInt64 {
        UInt64(UInt(bitPattern: unsafe Unmanaged.passUnretained(object).toOpaque()))
    }

    // MARK: The end

    /// Every link and listener ends without another word.
    func cutEverything() {
        while let last = self.watched.last { last.cut() }
    }

    /// Nothing that waited for its time or its turn comes to it.
    func forgetEverything() {
        while self.timers.removeLast() != nil {}
        let tasks = self.tasks
        self.tasks = []
        withExtendedLifetime(tasks) {}
    }
}
