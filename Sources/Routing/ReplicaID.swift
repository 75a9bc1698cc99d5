/// Which replica of a cluster. One `ReplicaTable` never gives a number out twice, so an id that is kept beyond the
/// life of its replica names nobody. Later replicas have larger ids.
package struct ReplicaID: Comparable, Hashable, Sendable, CustomStringConvertible {
    package let number: UInt32

    package init(number: UInt32) {
        self.number = number
    }

    package var description: String { String(self.number) }

    package static func < (left: ReplicaID, right: ReplicaID) -> Bool {
        left.number < right.number
    }
}
