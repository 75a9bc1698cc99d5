/// The cache of a simulated replica: blocks, the least recently used of which go first. A prompt's deep blocks count as
/// used before its shallow ones, as caches drop leaves first.
struct BlockCache: Sendable {
    private struct Node {
        var block: UInt64
        var newer: Int
        var older: Int
    }

    private let limit: Int
    private var nodes: [Node] = []
    private var position: [UInt64: Int] = [:]
    private var newest = -1
    private var oldest = -1

    /// Room for this many blocks, at least 1.
    init(blocks: Int) {
        self.limit = max(1, blocks)
    }

    /// Leading blocks of a prompt that are here.
    func held(_ blocks: [UInt64]) -> Int {
        blocks.firstIndex { self.position[$0] == nil } ?? blocks.count
    }

    /// Uses a prompt's blocks, and returns how many leading ones were here.
    mutating func use(_ blocks: [UInt64]) -> Int {
        let held = self.held(blocks)
        self.touch(blocks)
        return held
    }

    mutating func touch(_ blocks: [UInt64]) {
        for block in blocks.reversed() {
            if let node = self.position[block] {
                self.unlink(node)
                self.link(node)
            } else if self.nodes.count < self.limit {
                self.nodes.append(Node(block: block, newer: -1, older: -1))
                self.position[block] = self.nodes.count - 1
                self.link(self.nodes.count - 1)
            } else {
                let node = self.oldest
                self.unlink(node)
                self.position[self.nodes[node].block] = nil
                self.nodes[node].block = block
                self.position[block] = node
                self.link(node)
            }
        }
    }

    private mutating func link(_ node: Int) {
        self.nodes[node].newer = -1
        self.nodes[node].older = self.newest
        if self.newest >= 0 { self.nodes[self.newest].newer = node } else { self.oldest = node }
        self.newest = node
    }

    private mutating func unlink(_ node: Int) {
        let (newer, older) = (self.nodes[node].newer, self.nodes[node].older)
        if newer >= 0 { self.nodes[newer].older = older } else { self.newest = older }
        if older >= 0 { self.nodes[older].newer = newer } else { self.oldest = newer }
    }
}
