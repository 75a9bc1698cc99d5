import Testing
import Wire

@testable import homing

struct DemoConversationsTests {
    @Test func `every round has one turn of each conversation, in order of turns`() {
        let script = DemoConversations()
        #expect(script.steps.count == script.conversations.count * DemoConversations.turns)
        for turn in 0..<DemoConversations.turns {
            let round = script.steps[(turn * script.conversations.count)..<((turn + 1) * script.conversations.count)]
            #expect(round.allSatisfy { $0.turn == turn })
            #expect(Set(round.map(\.conversation)) == Set(script.conversations.indices))
        }
    }

    @Test func `a turn sends everything that was said before it`() {
        let conversation = DemoConversations().conversations[1]
        let answers = (0..<3).map { Array("answer \($0)".utf8) }
        let third = conversation.messages(turn: 2, answers: answers)
        #expect(
            third.map { String(decoding: $0.role, as: UTF8.self) } == [
                "system", "user", "assistant", "user", "assistant", "user",
            ])
        let second = conversation.messages(turn: 1, answers: answers)
        #expect(Array(third.prefix(second.count)) == second)
        #expect(third[2].content == answers[0] && third[4].content == answers[1])
    }

    @Test func `prompts are several kilobytes, share few beginnings, and fit into what is matched`() {
        let script = DemoConversations()
        #expect(Set(script.conversations.map(\.system)).count == 3)
        #expect(Set(script.conversations.map { $0.says[0] }).count == script.conversations.count)
        for conversation in script.conversations {
            #expect(conversation.says.count == DemoConversations.turns)
            let first = conversation.system.utf8.count + conversation.says[0].utf8.count
            let all = conversation.system.utf8.count + conversation.says.reduce(0) { $0 + $1.utf8.count }
            #expect(first > 4_000 && all < 12_000)
        }
    }

    @Test func `the play is the same every time`() {
        let (one, other) = (DemoConversations(), DemoConversations())
        #expect(one.steps == other.steps)
        #expect(one.conversations.map(\.says) == other.conversations.map(\.says))
    }
}
