/// What an arena element must tell to be found through a `BlockTable`.
protocol HashedBlock {
    /// The chained hash of the block: XXH64, or as well mixed.
    var hash: UInt64 { get }
    /// False between the block's removal and the next one in its place.
    var isUsed: Bool { get }
}
