package import Logging
import Synchronization

/// Asks a lookup again and again and hands on the lists that it finds. Safe to use from every thread; `run` runs once.
///
/// A look that fails leaves the last list where it is: whoever loses the source of a list keeps the list.
package final class ReplicaSource: Sendable {
    /// Names it among the sources of its cluster, in metrics and logs.
    package let name: String
    /// What it asks, without secrets.
    package var subject: String { self.lookup.subject }

    private let lookup: any ReplicaLookup
    private let clock: DiscoveryClock
    private let log: Logger
    private let state: Mutex<SourceState>

    /// - Parameter log: carries the name of the cluster.
    package init(
        name: String, lookup: any ReplicaLookup, refresh: RefreshSettings, clock: DiscoveryClock, log: Logger
    ) {
        self.name = name
        self.lookup = lookup
        self.clock = clock
        var log = log
        log[metadataKey: "source"] = "\(name)"
        self.log = log
        self.state = Mutex(SourceState(settings: refresh))
    }

    /// Looks until the task is cancelled. `publish` is called with every list that differs from the one before it, one
    /// at a time; none is lost.
    package func run(_ publish: @Sendable ([DiscoveredReplica]) async -> Void) async {
        while !Task.isCancelled {
            let result: Result<LookupAnswer, DiscoveryFailure>
            do throws(DiscoveryFailure) {
                result = .success(try await self.lookup.look())
            } catch {
                result = .failure(error)
            }
            // What a look brings that was cut short is not what its server said.
            guard !Task.isCancelled else { return }
            let now = self.clock.unixMs()
            let step = self.state.withLock { $0.looked(result, atUnixMs: now) }
            if let list = step.publish { await publish(list) }
            self.say(step.news)
            do {
                try await self.clock.sleep(step.waitMs)
            } catch {
                return
            }
        }
    }

    package var status: SourceStatus {
        self.state.withLock { state in
            SourceStatus(
                replicas: state.replicas ?? [], lastSuccessUnixMs: state.lastSuccessUnixMs,
                problem: state.failure?.description, failuresInRow: state.failuresInRow,
                emptyInRow: state.emptyInRow, counts: state.counts)
        }
    }

    private func say(_ news: SourceNews?) {
        var fields: Logger.Metadata {
            ["subject": "\(self.subject)", "replicas": "\(self.status.replicas.count)"]
        }
        switch news {
        case .changed(let added, let removed):
            self.log.info(
                "discovery found other replicas",
                metadata: fields.merging(["added": "\(added)", "removed": "\(removed)"]) { $1 })
        case .isEmpty: self.log.warning("discovery found no replicas", metadata: fields)
        case .emptyNotHeeded:
            self.log.warning("discovery found no replicas, the last ones stay for now", metadata: fields)
        case .failed(let failure):
            self.log.error(
                "discovery failed, the last replicas stay", metadata: fields.merging(["problem": "\(failure)"]) { $1 })
        case .worksAgain: self.log.info("discovery works again", metadata: fields)
        case nil: ()
        }
    }
}

/// A source at one instant.
package struct SourceStatus: Sendable, Equatable {
    /// The list that it stands for, whatever became of the last look.
    package var replicas: [DiscoveredReplica]
    /// When the last answer came that was of use, in milliseconds since 1970; nil before the first.
    package var lastSuccessUnixMs: Int?
    /// Why the last look was of no use; nil when it was.
    package var problem: String?
    package var failuresInRow: Int
    /// Empty answers in a row.
    package var emptyInRow: Int
    /// Looks by what came of them.
    package var counts: [RefreshResult: Int]
}

/// Time as sources see it: tests move it by hand.
package struct DiscoveryClock: Sendable {
    /// Milliseconds since 1970.
    package let unixMs: @Sendable () -> Int
    /// Waits so many milliseconds; throws when the task is cancelled.
    package let sleep: @Sendable (Int) async throws -> Void

    package init(
        unixMs: @escaping @Sendable () -> Int,
        sleep: @escaping @Sendable (Int) async throws -> Void = { try await Task.sleep(for: .milliseconds($0)) }
    ) {
        self.unixMs = unixMs
        self.sleep = sleep
    }
}
