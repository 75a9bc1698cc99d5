/// Which known word a mistyped one was meant to be.
package enum Spelling {
    /// Longer words are not compared: nobody mistypes a key into something this long.
    private static let longestWord = 64

    /// The known word nearest to `word`, or nil when none is near enough to be worth a guess. A known word that goes on
    /// where `word` ends (`interval` for `interval_ms`) is near.
    package static func nearest(to word: String, among known: [String]) -> String? {
        let letters = Array(word.lowercased())
        guard !letters.isEmpty, letters.count <= self.longestWord else { return nil }
        if let longer = known.first(where: { $0.hasPrefix(word.lowercased() + "_") }) { return longer }
        let nearest =
            known
            .map { (word: $0, distance: self.distance(letters, Array($0))) }
            .min { $0.distance < $1.distance }
        guard let nearest, nearest.distance <= max(1, min(3, letters.count / 2)) else { return nil }
        return nearest.word
    }

    /// Letters to insert, remove, replace or swap with their neighbour to get from one word to the other (optimal
    /// string alignment).
    static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                let replaced = last[j] + (left[i] == right[j] ? 0 : 1)
                var cost = min(replaced, last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    cost = min(cost, beforeLast[j - 1] + 1)
                }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[right.count]
    }
}
