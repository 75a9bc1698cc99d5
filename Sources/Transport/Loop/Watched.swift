internal import Glibc

/// A descriptor that its loop watches: a link, a listening socket, a connect that is under way. The loop keeps it alive
/// meanwhile. Lives on its loop.
public class Watched {
    public final let loop: Loop
    /// -1 while there is none.
    private(set) final var descriptor: CInt = -1
    /// Where the loop keeps it; -1 while it does not.
    private final var place = -1

    init(on loop: Loop) { self.loop = loop }

    deinit { if self.descriptor >= 0 { close(self.descriptor) } }

    final var isWatched: Bool { self.place >= 0 }

    /// The kernel told `events`, those of epoll_ctl(2). An error or a hang-up is told whatever was asked for.
    func ready(_ events: UInt32) {}

    /// The loop ends: no longer watched when this returns.
    func cut() { self.unwatch() }

    /// From now on the descriptor is ours, and watched. False when the kernel has no room for it; it is closed then.
    final func watch(_ descriptor: CInt, for interest: UInt32) -> Bool {
        guard let place = self.loop.turns.add(self, descriptor, for: interest) else {
            close(descriptor)
            return false
        }
        self.descriptor = descriptor
        self.place = place
        return true
    }

    final func watch(for interest: UInt32) {
        guard self.isWatched else { return }
        self.loop.turns.change(self, self.descriptor, to: interest)
    }

    /// Not watched any more; the descriptor is closed.
    final func unwatch() {
        let descriptor = self.release()
        if descriptor >= 0 { close(descriptor) }
    }

    /// Not watched any more; the descriptor is the caller's. -1 when there was none.
    final func release() -> CInt {
        guard self.isWatched else { return -1 }
        let descriptor = self.descriptor
        self.loop.turns.remove(self, descriptor, from: self.place)
        self.place = -1
        self.descriptor = -1
        return descriptor
    }

    final func moved(to place: Int) { self.place = place }
}
