import Wire

/// What the demo's users say: conversations that begin with one of a few system prompts and a letter of their own, and
/// the order in which their turns come. The same in every run.
struct DemoConversations {
    struct Conversation: Sendable {
        let name: String
        let system: String
        /// What the user says, turn by turn; the letter comes with the first.
        let says: [String]

        /// The messages of a turn, from 0, when the answers to the earlier ones were `answers`.
        func messages(turn: Int, answers: [[UInt8]]) -> [ChatMessage] {
            var messages = [ChatMessage("system", Array(self.system.utf8))]
            for earlier in 0..<turn {
                messages.append(ChatMessage("user", Array(self.says[earlier].utf8)))
                messages.append(ChatMessage("assistant", answers[earlier]))
            }
            messages.append(ChatMessage("user", Array(self.says[turn].utf8)))
            return messages
        }
    }

    /// One step of the play: a conversation's next turn, both from 0.
    struct Step: Sendable, Equatable {
        let conversation: Int
        let turn: Int
    }

    static let names = ["wren", "jay", "tern", "rook", "crane", "swift"]
    static let turns = 4
    private static let desks = ["harbour office", "city library", "botanical garden"]

    let conversations: [Conversation]
    /// Every round has one turn of each conversation, in an order of its own, as callers do not take turns.
    let steps: [Step]

    init() {
        var random = SmallRandom(seed: 20_261_121)
        let systems = Self.desks.map { Self.system(of: $0, &random) }
        self.conversations = Self.names.enumerated().map { index, name in
            let letter = Self.text("My letter, line", lines: 30, &random)
            let questions = (1..<Self.turns).map { Self.text("Question \($0), part", lines: 2, &random) }
            return Conversation(
                name: name, system: systems[index % systems.count],
                says: ["This is \(name).\n\(letter)"] + questions)
        }
        var steps: [Step] = []
        for turn in 0..<Self.turns {
            var order = Array(Self.names.indices)
            while !order.isEmpty {
                steps.append(Step(conversation: order.remove(at: random.next(below: order.count)), turn: turn))
            }
        }
        self.steps = steps
    }

    private static func system(of desk: String, _ random: inout SmallRandom) -> String {
        "You answer at the desk of the \(desk). Be brief and kind.\n" + self.text("Rule", lines: 36, &random)
    }

    /// Numbered lines of about 85 bytes.
    private static func text(_ label: String, lines: Int, _ random: inout SmallRandom) -> String {
        let who = ["a visitor", "a neighbour", "the night guard", "a school class", "an old friend", "the gardener"]
        let does = ["asks for", "brings back", "cannot find", "is worried about", "wants to keep", "writes about"]
        let what = ["the blue map", "a lost key", "the winter list", "an early boat", "the rare seeds", "two tickets"]
        let then = ["say so at once", "look in the book", "ask for a name", "wait for noon", "call the office"]
        func one(of words: [String], _ random: inout SmallRandom) -> String { words[random.next(below: words.count)] }
        return (1...lines).map { line in
            "\(label) \(line): when \(one(of: who, &random)) \(one(of: does, &random)) \(one(of: what, &random)), "
                + "\(one(of: then, &random)) and note it on page \(random.next(below: 900)).\n"
        }.joined()
    }
}

/// Numbers that look random and are the same in every run.
struct SmallRandom {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    /// From 0 to `bound` - 1.
    mutating func next(below bound: Int) -> Int {
        self.state = self.state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
        return Int(self.state >> 33) % bound
    }
}
