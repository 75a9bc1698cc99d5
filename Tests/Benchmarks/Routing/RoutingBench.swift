import Foundation

/// What `scripts/bench routing` and `scripts/bench decision` run. A program of its own, which needs only the router and
/// the replay: it is built in a minute, without the proxy.
@main
struct RoutingBench {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            switch arguments.first {
            case "goals": try await GoalsReport(BenchOptions(arguments.dropFirst())).run()
            case "decision": try DecisionReport(BenchOptions(arguments.dropFirst())).run()
            case "memory": try MemoryReport(BenchOptions(arguments.dropFirst())).run()
            default: throw BenchProblem("RoutingBench goals|decision|memory [--option value …] [trace …]")
            }
        } catch {
            FileHandle.standardError.write(Data("RoutingBench: \(error)\n".utf8))
            exit(2)
        }
    }
}

/// `--name value` pairs and what is left.
struct BenchOptions {
    private var values: [String: String] = [:]
    private(set) var paths: [String] = []

    init(_ arguments: ArraySlice<String>) throws(BenchProblem) {
        var rest = arguments
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                self.paths.append(argument)
                continue
            }
            guard let value = rest.popFirst() else { throw BenchProblem("\(argument) needs a value") }
            self.values[String(argument.dropFirst(2))] = value
        }
    }

    func number(_ name: String, _ usual: Int) throws(BenchProblem) -> Int {
        guard let text = self.values[name] else { return usual }
        guard let number = Int(text), number >= 0 else { throw BenchProblem("--\(name) is a number") }
        return number
    }

    func text(_ name: String, _ usual: String) -> String { self.values[name] ?? usual }
}

struct BenchProblem: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
