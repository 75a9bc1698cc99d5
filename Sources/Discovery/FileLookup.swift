import Synchronization

/// A file that lists replicas. It is read when its stamp has changed, and once more at the look after that: a file that
/// is written twice within one tick of the file system's clock looks the same both times.
///
/// How a file is stamped and read is not known here: the program hands both in.
package final class FileLookup<Stamp: Hashable & Sendable>: ReplicaLookup {
    package let subject: String
    private let stamp: @Sendable () -> Stamp?
    private let read: @Sendable () throws(DiscoveryFailure) -> [DiscoveredReplica]
    private let work = BlockingWork(label: "homing.discovery.file")
    private let state = Mutex(Seen.never)

    private enum Seen {
        case never
        /// At the last look, for the first time.
        case fresh(Stamp?)
        /// At the last look and at the one before it.
        case settled(Stamp?)
    }

    /// - Parameters:
    ///   - stamp: tells one state of the file from another without reading it; nil when there is no file.
    ///   - read: throws what is wrong with it.
    package init(
        path: String, stamp: @escaping @Sendable () -> Stamp?,
        read: @escaping @Sendable () throws(DiscoveryFailure) -> [DiscoveredReplica]
    ) {
        self.subject = "file \(path)"
        self.stamp = stamp
        self.read = read
    }

    package func look() async throws(DiscoveryFailure) -> LookupAnswer {
        // A file system may be far away, and take its time.
        let outcome = await self.work.run { () -> Result<LookupAnswer, DiscoveryFailure> in
            do throws(DiscoveryFailure) {
                return .success(try self.lookNow())
            } catch {
                return .failure(error)
            }
        }
        return try (outcome ?? .success(.unchanged)).get()
    }

    private func lookNow() throws(DiscoveryFailure) -> LookupAnswer {
        // Before the reading: what is written meanwhile has another one.
        let now = self.stamp()
        let isKnown = self.state.withLock { seen in
            switch seen {
            case .settled(let before) where before == now: return true
            case .fresh(let before) where before == now: seen = .settled(now)
            case .never, .fresh, .settled: seen = .fresh(now)
            }
            return false
        }
        return isKnown ? .unchanged : .replicas(try self.read(), ttlMs: nil)
    }
}
