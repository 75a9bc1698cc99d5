import Foundation
import Synchronization

/// A line on stderr that says what is waited for, on a terminal only: it comes after two seconds, is written over itself,
/// and is taken away before anything else is said. Free to share.
final class Progress: Sendable {
    private struct State {
        var line = ""
        var isShown = false
        var isOver = false
    }

    private let state: Mutex<State>
    private let isLive: Bool
    private let beganNs = DispatchTime.now().uptimeNanoseconds
    private static let patienceNs: UInt64 = 2_000_000_000

    /// - Parameter isLive: whether there is somebody to read it.
    init(_ line: String, isLive: Bool = isatty(STDERR_FILENO) == 1 && TerminalStyle.isClever) {
        self.state = Mutex(State(line: line))
        self.isLive = isLive
    }

    /// Says how far it is. Shown at once, when the two seconds are over.
    func update(_ line: String) {
        guard self.isLive else { return }
        self.state.withLock { state in
            guard !state.isOver else { return }
            state.line = line
            self.show(&state)
        }
    }

    /// Takes the line away; nothing is shown afterwards.
    func end() {
        self.state.withLock { state in
            if state.isShown { Self.write("\r\u{1B}[K") }
            state.isShown = false
            state.isOver = true
        }
    }

    /// Shows the line and the seconds while `body` runs.
    static func during<Value: Sendable>(_ line: String, _ body: (Progress) async throws -> Value) async rethrows
        -> Value
    {
        let progress = Progress(line)
        let ticking = Task {
            while (try? await Task.sleep(for: .seconds(1))) != nil { progress.tick() }
        }
        defer {
            ticking.cancel()
            progress.end()
        }
        return try await body(progress)
    }

    private func tick() {
        guard self.isLive else { return }
        self.state.withLock { state in
            if !state.isOver { self.show(&state) }
        }
    }

    private func show(_ state: inout State) {
        let passedNs = DispatchTime.now().uptimeNanoseconds - self.beganNs
        guard passedNs >= Self.patienceNs else { return }
        state.isShown = true
        Self.write("\r\(state.line), \(passedNs / 1_000_000_000) s\u{1B}[K")
    }

    private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
