import Yams

extension Node {
    var line: Int? { self.mark?.line }

    /// Nothing, `~` or `null`: the key is there, but says nothing.
    var isNull: Bool {
        guard case .scalar(let scalar) = self, scalar.style == .plain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// As without quotes.
    init(plain text: String) { self.init(text, Tag(.implicit), .plain) }

    /// A list of what commas separate.
    init(listing text: String) {
        let words = text.split(separator: ",").map { word in
            String(word.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
        }
        self.init(words.filter { !$0.isEmpty }.map { Node(plain: $0) }, Tag(.implicit), .flow)
    }

    /// What this is, for a message.
    var found: String {
        switch self {
        case .scalar(let scalar): scalar.style == .plain ? quoted(scalar.string) : "the text \(quoted(scalar.string))"
        case .mapping: "a section"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}
