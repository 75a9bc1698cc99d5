/// What the callbacks of one C call recorded, in order. Memory of its own: an array would be checked for other owners with
/// every event.
/// Owned by one session. Safe to use: the memory never leaves this type and is freed once, in deinit.
@safe struct HTTP2EventQueue: ~Copyable {
    private var events: UnsafeMutablePointer<HTTP2Event>?
    private var capacity = 0
    private(set) var count = 0

    init() {}

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

    mutating func removeAll() { self.count = 0 }

    private mutating func grow() {
        self.capacity = max(4, self.capacity * 2)
        let larger = UnsafeMutablePointer<HTTP2Event>.allocate(capacity: self.capacity)
        if let events = unsafe self.events {
            unsafe larger.moveInitialize(from: events, count: self.count)
            unsafe events.deallocate()
        }
        unsafe self.events = larger
    }
}
