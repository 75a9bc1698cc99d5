import Routing
import Testing

extension PrefixChain {
    /// The whole chain of `text`.
    init(model: String = "m", _ text: String, blockBytes: Int = 256, maxBlocks: Int = 64) {
        self.init(blockBytes: blockBytes, maxBlocks: maxBlocks)
        self.begin(salt: PrefixChain.salt(model: model))
        self.append(text)
        self.finish()
    }

    /// A chain with one block per character: "ab" is the prefix of "abc".
    init(letters: String) {
        self.init(letters, blockBytes: 1, maxBlocks: 64)
    }

    mutating func append(_ text: String) {
        let bytes = Array(text.utf8)
        self.append(bytes.span)
    }

    var values: [UInt64] { (0..<self.count).map { self[$0] } }
}

extension RoutingSettings {
    /// Settings for chains with one block per character.
    static func letters(_ policy: PolicyName = .prefixCache) -> RoutingSettings {
        var settings = RoutingSettings()
        settings.policy = policy
        settings.chain = .compatible
        settings.blockBytes = 1
        return settings
    }
}

extension ReplicaTable {
    /// A table of available replicas of equal weight, with their ids.
    static func of(_ count: Int, settings: RoutingSettings = .letters()) -> (ReplicaTable, [ReplicaID]) {
        var table = ReplicaTable(settings: settings)
        let replicas = (0..<count).map { table.add(name: "replica-\($0)", weight: 1) }
        for replica in replicas { table.setAvailability(replica, .available) }
        return (table, replicas)
    }

    /// A pick of a stream that ends before anything else happens.
    mutating func serve(_ chain: PrefixChain, at now: Instant) -> PickDecision? {
        guard let decision = self.pickAndLease(chain, at: now) else { return nil }
        self.release(decision.lease, .served, at: now)
        return decision
    }
}

/// No hint.
let noHint = PrefixChain(blockBytes: 1, maxBlocks: 64)

/// A moment, in milliseconds.
func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: milliseconds) }

/// The value that there must be. `#require` itself cannot hold a call that changes a local value.
func found<Value>(_ value: Value?, sourceLocation: SourceLocation = #_sourceLocation) throws -> Value {
    try #require(value, sourceLocation: sourceLocation)
}
