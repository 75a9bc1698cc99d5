/// What the callbacks of one C call recorded, in order. Memory of its own: an array would be checked for other owners with
/// every event.
/// Owned by one session. Safe to use: the memory never leaves this type and is freed once, in deinit, here or in `spare`.
@safe struct HTTP2EventQueue: ~Copyable {
    private var events: UnsafeMutablePointer<HTTP2Event>?
    private var capacity = 0
    private(set) var count = 0
    private let spare: Spare

    /// - Parameter spare: of the sessions that take turns on a loop. An empty queue has no memory of its own: a burst would
    ///   leave some 5 KB behind in each of them.
    init(spare: Spare) { self.spare = spare }

    deinit { unsafe self.events?.deallocate() }

    mutating func append(_ event: HTTP2Event) {
        if self.count == self.capacity { self.grow() }
        unsafe (self.events! + self.count).initialize(to: event)
        self.count += 1
    }

    /// The event at a position below `count`.
    subscript(_ position: Int) -> HTTP2Event {
        precondition(position < self.count, "only what was recorded can be read")
        return unsafe self.events![position]
    }

    mutating func removeAll() {
        guard let events = unsafe self.events else { return }
        unsafe self.spare.put(events, self.capacity)
        unsafe self.events = nil
        self.capacity = 0
        self.count = 0
    }

    private mutating func grow() {
        guard self.capacity > 0 else { return (unsafe self.events, self.capacity) = unsafe self.spare.take() }
        let larger = UnsafeMutablePointer<HTTP2Event>.allocate(capacity: self.capacity * 2)
        if let events = unsafe self.events {
            unsafe larger.moveInitialize(from: events, count: self.count)
            unsafe events.deallocate()
        }
        unsafe self.events = larger
        self.capacity *= 2
    }

    /// The memory of whichever queue is in use, while none is. Lives on one loop.
    @safe final class Spare {
        private var events: UnsafeMutablePointer<HTTP2Event>?
        private var capacity = 0

        deinit { unsafe self.events?.deallocate() }

        fileprivate func take() -> (UnsafeMutablePointer<HTTP2Event>, capacity: Int) {
            guard let events = unsafe self.events else { return unsafe (.allocate(capacity: 16), 16) }
            unsafe self.events = nil
            return unsafe (events, self.capacity)
        }

        /// The larger piece is kept.
        fileprivate func put(_ events: UnsafeMutablePointer<HTTP2Event>, _ capacity: Int) {
            guard unsafe self.events == nil || capacity > self.capacity else { return unsafe events.deallocate() }
            unsafe self.events?.deallocate()
            unsafe self.events = events
            self.capacity = capacity
        }
    }
}
