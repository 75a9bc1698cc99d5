/// Which replica of a cluster. One `ReplicaTable` never gives a number out twice, so an id that is kept beyond the
/// life of its replica names nobody. Later replicas have larger ids.
public struct ReplicaID: Comparable, Hashable, Sendable, CustomStringConvertible {
    public let number: UInt32

    public init(number: UInt32) {
        self.number = number
    }

    public var description: String { String(self.number) }

    public static func < (left: ReplicaID, right: ReplicaID) -> Bool {
        left.number < right.number
    }
}
