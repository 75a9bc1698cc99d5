/// How many prompts branched off each block lately, as `CacheIndex` counts them, for a planner that knows who has which
/// block in truth.
struct SharedHeads {
    private let discount: Double
    private var known: Set<UInt64> = []
    /// New blocks that followed a block, and the period in which the count was right; a period later it counts half.
    private var branches: [UInt64: (count: Int, period: Int)] = [:]

    private static let periodSeconds = 300.0

    init(discount: Double) { self.discount = discount }

    /// The prompt is sent.
    mutating func note(_ blocks: [UInt64], at now: Double) {
        let period = Int(now / Self.periodSeconds)
        for position in blocks.indices where self.known.insert(blocks[position]).inserted && position > 0 {
            let before = blocks[position - 1]
            self.branches[before] = (self.count(before, period) + 1, period)
        }
    }

    /// How many of the prompt's first blocks are charged for, by how many there are: `held` tells how many each replica
    /// has.
    func unsharedBlocks(_ blocks: [UInt64], held: [Int], at now: Double) -> [Double] {
        let period = Int(now / Self.periodSeconds)
        var copies = [Int](repeating: 0, count: blocks.count + 1)
        for held in held where held > 0 { copies[held - 1] += 1 }
        var shares = [Double](repeating: 0, count: blocks.count)
        var most = 0.0
        var count = 0
        for position in blocks.indices.reversed() {
            count += copies[position]
            if count > 0 { most = max(most, Double(self.count(blocks[position], period)) / Double(count)) }
            shares[position] = 1 / (1 + self.discount * most)
        }
        var sums = [0.0]
        for share in shares { sums.append((sums.last ?? 0) + share) }
        return sums
    }

    private func count(_ block: UInt64, _ period: Int) -> Int {
        guard let branches = self.branches[block] else { return 0 }
        return branches.count >> min(63, period - branches.period)
    }
}
