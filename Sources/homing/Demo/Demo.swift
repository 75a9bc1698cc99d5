import ArgumentParser
import Connection
import Foundation
import Routing
import Transport
import UnixSignals
import Wire

/// `homing demo`: the same conversations through two real fleets, one with prefix affinity and one in turn.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what prefix affinity does: real processes, simulated workers, about half a minute.",
        discussion: """
            Starts two fleets of three embedded workers with 'homing serve' in front, the default policy before one \
            and round_robin before the other, and plays the same conversations through both at the same time. Prints \
            every turn, then the sums. Everything it started is stopped when it ends.

            Exit code 1: something did not come up, or a turn failed.
            """)

    @Flag(help: "One JSON object per turn, and one with the sums of both fleets.")
    var json = false

    func run() async throws {
        // A reader of our output that goes away must not leave the children behind.
        signal(SIGPIPE, SIG_IGN)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let group = LoopGroup(count: 1)
        let json = self.json
        do {
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await DemoPlay(on: group.loops[0], json: json).run() }
                tasks.addTask {
                    for await _ in signals { throw DemoFailure("interrupted; everything is stopped") }
                }
                try await tasks.next()
                tasks.cancelAll()
            }
        } catch {
            await group.shutdown()
            throw ExitReason.failed("\(error)")
        }
        await group.shutdown()
    }
}

/// Plays the conversations through both fleets and prints what happens.
struct DemoPlay: Sendable {
    private let loop: Loop
    private let json: Bool

    init(on loop: Loop, json: Bool) {
        self.loop = loop
        self.json = json
    }

    /// Returns, or throws, when both fleets have been stopped.
    func run() async throws {
        let script = DemoConversations()
        if !self.json { Assembly.say(DemoTable.introduction(script)) }
        let loop = self.loop
        let homing = try await Progress.during("starting workers") { _ in
            try await DemoFleet.start(RoutingSettings().policy, on: loop)
        }
        do {
            let inTurn = try await Progress.during("starting workers") { _ in
                try await DemoFleet.start(.roundRobin, on: loop)
            }
            do {
                try await self.play(script, homing, inTurn)
            } catch {
                await inTurn.stop()
                throw error
            }
            await inTurn.stop()
        } catch {
            await homing.stop()
            throw error
        }
        await homing.stop()
        if !self.json { Assembly.say(DemoTable.farewell(CommandLine.arguments[0])) }
    }

    private func play(_ script: DemoConversations, _ homing: DemoFleet, _ inTurn: DemoFleet) async throws {
        var table = DemoTable(left: homing, right: inTurn)
        if !self.json { Assembly.say(table.heading) }
        var answers: [[[UInt8]]] = Array(repeating: [], count: script.conversations.count)
        for step in script.steps {
            let conversation = script.conversations[step.conversation]
            let messages = conversation.messages(turn: step.turn, answers: answers[step.conversation])
            // Side by side: the workers are simulated, so that neither fleet takes time from the other.
            async let left = self.ask(homing, messages)
            async let right = self.ask(inTurn, messages)
            let (one, other) = try await (left, right)
            guard one.text == other.text else { throw DemoFailure("the same prompt had two answers") }
            answers[step.conversation].append(one.text)
            let row = table.row(conversation.name, step, one, other)
            Assembly.say(self.json ? try table.json(conversation.name, step, one, other) : row)
        }
        Assembly.say(self.json ? try table.jsonSummary() : table.summary)
    }

    private func ask(_ fleet: DemoFleet, _ messages: [ChatMessage]) async throws -> PredictRun.Outcome {
        var request = PredictRun.request(PredictRun.options(messages, tokens: 24))
        request.timeoutMs = 30_000
        let outcome = try await PredictRun.run(request, at: fleet.proxy, on: self.loop) { _ in }
        try Task.checkCancellation()
        guard outcome.status?.code == .ok, outcome.explanation != nil, outcome.firstTokenMs != nil else {
            throw DemoFailure("a turn failed: \(outcome.end)")
        }
        return outcome
    }
}
