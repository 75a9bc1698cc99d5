import Logging
public import Routing
import Synchronization
import Telemetry
import Transport

/// Replicas that come, are drained, and go, while the cluster serves.
///
/// ```
///            add, reconcile                        drain                  remove, reconcile
/// (nobody) ─────────────────► here ──────────────────────────► draining ───────────────────► leaving ──► (nobody)
///                              ▲ └───────────────── remove, reconcile ──────────────────────────┘ │
///                              └──────────────────── undrain, add, reconcile ─────────────────────┘
/// ```
/// One that drains takes nothing new and finishes what is open; one that leaves does the same and is gone at its end
/// (`Cluster+Leaving`). Who named a replica is kept, so that it lives until the last one lets it go.
extension Cluster {
    /// Who named a replica, with which weight.
    struct Claim: Sendable, Equatable {
        var origin: ReplicaOrigin
        var weight: Int
    }

    /// A cluster has at most as many replicas; a list that names more loses its end.
    public static let maxReplicas = 1_024

    /// Makes `wanted` the replicas that `origin` names, by address. Those that it does not name any more leave unless
    /// somebody else names them. What an operator took out stays out until the list does not name it any more.
    @discardableResult
    public func reconcile(_ wanted: [ReplicaSettings], origin: ReplicaOrigin = .static) -> ReplicaChanges {
        let steps = self.state.withLock { state in
            var steps = Steps()
            var named: Set<Endpoint> = []
            for replica in wanted where named.insert(replica.address).inserted {
                self.name(replica, origin, in: &state, &steps)
            }
            for address in Array(state.dismissed.keys) where !named.contains(address) {
                state.dismissed[address]?.remove(origin)
                if state.dismissed[address]?.isEmpty ?? false { state.dismissed[address] = nil }
            }
            for place in state.order {
                guard let replica = state.replicas[place], !named.contains(replica.endpoint),
                    let claims = state.entries[place]?.claims, claims.contains(where: { $0.origin == origin })
                else { continue }
                if self.letGo(place, origin, in: &state, &steps) {
                    steps.changes.removed.append(replica.name)
                } else {
                    steps.changes.kept.append(replica.name)
                }
            }
            return steps
        }
        self.finish(steps, origin)
        return steps.changes
    }

    /// Adds a replica, or brings back one that is on its way out.
    public func add(_ replica: ReplicaSettings, origin: ReplicaOrigin = .api) throws(ReplicaProblem) {
        let steps = self.state.withLock { state -> Result<Steps, ReplicaProblem> in
            var steps = Steps()
            let name = replica.address.description
            if let place = state.place(at: replica.address), state.entries[place]?.departure == nil {
                return .failure(.alreadyThere(name))
            }
            state.dismissed[replica.address]?.remove(origin)
            self.name(replica, origin, in: &state, &steps)
            return steps.changes.refused.isEmpty ? .success(steps) : .failure(.tooMany(limit: Self.maxReplicas))
        }
        self.finish(try steps.get(), origin)
    }

    /// The replica takes nothing new from now on, and finishes what is open. Returns false when that was so already.
    @discardableResult
    public func drain(_ name: String) throws(ReplicaProblem) -> Bool {
        try self.changeDrain(of: name) { entry throws(ReplicaProblem) in
            guard entry.departure == nil else { throw .leaving(name) }
            guard entry.drainedNs == nil else { return false }
            entry.drainedNs = Loop.now
            return true
        }
    }

    /// The replica is picked again, as if it had never been drained; also one that is on its way out, which is then named
    /// by those that named it, or by the admin port. Returns false when it takes streams already.
    @discardableResult
    public func undrain(_ name: String) throws(ReplicaProblem) -> Bool {
        try self.changeDrain(of: name) { entry throws(ReplicaProblem) in
            guard entry.isDraining else { return false }
            entry.drainedNs = nil
            if let departure = entry.departure {
                entry.claims =
                    departure.dismissed.isEmpty
                    ? [Claim(origin: .api, weight: departure.weight)] : departure.dismissed
                entry.departure = nil
            }
            return true
        }
    }

    /// What came of a removal.
    public enum Removal: Sendable, Equatable {
        /// It finishes what is open, and is gone then.
        case leaves
        /// The admin port lets it go; these still name it.
        case kept([ReplicaOrigin])
    }

    /// Takes back what the admin port added; one that somebody else named is taken out all the same, and stays out until
    /// that list does not name it any more or somebody adds it again.
    /// - Parameter now: cuts what is open instead of waiting for it.
    @discardableResult
    public func remove(_ name: String, now: Bool = false) throws(ReplicaProblem) -> Removal {
        let result = self.state.withLock { state -> Result<(Steps, Removal), ReplicaProblem> in
            var steps = Steps()
            guard let place = state.place(named: name), let entry = state.entries[place] else {
                return .failure(.unknown(name))
            }
            if entry.departure != nil {
                if now { state.entries[place]?.departure?.leavesByNs = Loop.now }
                return .success((steps, .leaves))
            }
            if entry.claims.contains(where: { $0.origin == .api }) {
                guard self.letGo(place, .api, in: &state, &steps) else {
                    return .success((steps, .kept(state.entries[place]?.claims.map(\.origin) ?? [])))
                }
            } else {
                state.dismissed[entry.replica.endpoint] = Set(entry.claims.map(\.origin))
                self.depart(place, dismissed: entry.claims, in: &state, &steps)
            }
            steps.changes.removed.append(name)
            if now { state.entries[place]?.departure?.leavesByNs = Loop.now }
            return .success((steps, .leaves))
        }
        let (steps, removal) = try result.get()
        self.finish(steps, .api)
        return removal
    }

    /// Calls `changed`, on any thread and not under the lock, whenever a replica joins or is to leave. For one listener;
    /// nil takes it away.
    func onRosterChange(_ changed: (@Sendable () -> Void)?) { self.state.withLock { $0.rosterChanged = changed } }

    // MARK: - Private

    /// What is left to do when the lock has been given back.
    struct Steps: Sendable {
        var changes = ReplicaChanges()
        fileprivate var told: [(Replica, AvailabilityChange, why: String)] = []
    }

    /// `origin` names the replica, whether it is here or not.
    private func name(_ settings: ReplicaSettings, _ origin: ReplicaOrigin, in state: inout State, _ steps: inout Steps)
    {
        let name = settings.address.description
        if state.dismissed[settings.address]?.contains(origin) ?? false {
            steps.changes.dismissed.append(name)
            return
        }
        guard let place = state.place(at: settings.address), let entry = state.entries[place] else {
            guard state.order.count < Self.maxReplicas else {
                steps.changes.refused.append(name)
                return
            }
            self.join(settings, origin, isFirst: false, in: &state)
            steps.changes.added.append(name)
            return
        }
        var claims = entry.claims.filter { $0.origin != origin }
        claims.append(Claim(origin: origin, weight: settings.weight))
        claims.sort { $0.origin < $1.origin }
        state.entries[place]?.claims = claims
        let isReweighted = self.weigh(place, in: &state)
        if entry.departure != nil {
            self.change(place, "named again", in: &state, &steps) { $0.departure = nil }
            state.dismissed[settings.address] = nil
            steps.changes.added.append(name)
        } else if isReweighted {
            steps.changes.reweighted.append(name)
        } else {
            steps.changes.unchanged.append(name)
        }
    }

    /// `origin` names the replica no more. Whether it leaves.
    private func letGo(_ place: Int, _ origin: ReplicaOrigin, in state: inout State, _ steps: inout Steps) -> Bool {
        guard let claims = state.entries[place]?.claims else { return false }
        guard claims.contains(where: { $0.origin != origin }) else {
            self.depart(place, dismissed: [], in: &state, &steps)
            return true
        }
        state.entries[place]?.claims.removeAll { $0.origin == origin }
        _ = self.weigh(place, in: &state)
        return false
    }

    private func depart(_ place: Int, dismissed: [Claim], in state: inout State, _ steps: inout Steps) {
        state.lastDeparture += 1
        let now = Loop.now
        let departure = Departure(
            number: state.lastDeparture, sinceNs: now,
            leavesByNs: now + UInt64(max(0, self.settings.replicaDrainTimeoutMs)) * 1_000_000, dismissed: dismissed,
            weight: state.entries[place]?.claims.first?.weight ?? 1)
        self.change(place, "removed", in: &state, &steps) { entry in
            entry.claims = []
            entry.departure = departure
        }
    }

    /// Takes over the weight of who counts first. Whether it is another one.
    private func weigh(_ place: Int, in state: inout State) -> Bool {
        guard let entry = state.entries[place], let weight = entry.claims.first?.weight else { return false }
        return state.table.setWeight(entry.replica.id, weight)
    }

    private func change(
        _ place: Int, _ why: String, in state: inout State, _ steps: inout Steps, _ change: (inout Entry) -> Void
    ) {
        guard let replica = state.replicas[place] else { return }
        if let told = self.update(place, why: why, in: &state, change) { steps.told.append((replica, told, why)) }
    }

    private func changeDrain(
        of name: String, _ change: (inout Entry) throws(ReplicaProblem) -> Bool
    ) throws(ReplicaProblem) -> Bool {
        let result = self.state.withLock { state -> Result<(Steps, Bool), ReplicaProblem> in
            var steps = Steps()
            guard let place = state.place(named: name), var entry = state.entries[place] else {
                return .failure(.unknown(name))
            }
            do throws(ReplicaProblem) {
                guard try change(&entry) else { return .success((steps, false)) }
            } catch {
                return .failure(error)
            }
            if !entry.isDraining { state.dismissed[entry.replica.endpoint] = nil }
            let changed = entry
            self.change(place, changed.isDraining ? "drained" : "undrained", in: &state, &steps) { $0 = changed }
            _ = self.weigh(place, in: &state)
            return .success((steps, true))
        }
        let (steps, hasChanged) = try result.get()
        self.finish(steps, .api)
        return hasChanged
    }

    /// A replica that was not here is. It is asked for before it gets streams, and then gets them little by little.
    /// - Parameter isFirst: it is one of those that the cluster begins with.
    func join(_ settings: ReplicaSettings, _ origin: ReplicaOrigin, isFirst: Bool, in state: inout State) {
        let name = settings.address.description
        let id = state.table.add(name: name, weight: settings.weight)
        guard let place = state.table.place(of: id) else { preconditionFailure("a replica that was added is here") }
        let (slot, serial) = self.slots.take()
        let replica = Replica(
            id: id, place: place, slot: slot, serial: serial, endpoint: settings.address,
            connections: self.metrics.connections(of: name))
        var entry = Entry(replica: replica, health: ReplicaHealth(settings: self.settings.probe), sinceNs: Loop.now)
        entry.claims = [Claim(origin: origin, weight: settings.weight)]
        entry.wasLost = !isFirst
        // Whether it holds the model nobody knows, as of one that has been restarted.
        if state.remembersModel { entry.model = .restarted }
        while state.entries.count <= place {
            state.entries.append(nil)
            state.replicas.append(nil)
        }
        state.entries[place] = entry
        state.replicas[place] = replica
        state.order.append(place)
        state.outliers.joined(place)
        _ = state.table.setAvailability(id, entry.availability)
    }

    private func finish(_ steps: Steps, _ origin: ReplicaOrigin) {
        for (replica, change, why) in steps.told { self.tell(change, of: replica, why: why) }
        let changes = steps.changes
        for (names, message) in [
            (changes.added, "replica added"), (changes.removed, "replica to be removed"),
            (changes.reweighted, "replica has another weight"),
        ] as [([String], Logger.Message)] {
            for name in names {
                self.log.info(
                    message, metadata: ["cluster": "\(self.name)", "replica": "\(name)", "origin": "\(origin)"])
            }
        }
        if !changes.refused.isEmpty {
            self.log.error(
                "replicas not added, the cluster is full",
                metadata: ["cluster": "\(self.name)", "origin": "\(origin)", "count": "\(changes.refused.count)"])
        }
        self.state.withLock { $0.rosterChanged }?()
    }
}

extension Cluster.State {
    func place(named name: String) -> Int? { self.order.first { self.replicas[$0]?.name == name } }
}
