import ArgumentParser
import Transport

/// `homing reference`: the generated part of a page of the documentation, for `scripts/reference`.
struct ReferenceCommand: AsyncParsableCommand {
    enum Page: String, CaseIterable, ExpressibleByArgument {
        case configuration
        case metrics
    }

    static let configuration = CommandConfiguration(
        commandName: "reference",
        abstract: "Print the part of a page of the documentation that is made from the code.",
        shouldDisplay: false)

    @Argument(help: "Which page: \(Flags.names(Page.self)).")
    var page: Page

    func run() async throws {
        print(try await Self.text(of: self.page))
    }

    static func text(of page: Page) async throws -> String {
        switch page {
        case .configuration: KeyTable().markdown
        case .metrics: MetricTable(metrics: try await Assembly.metrics()).markdown
        }
    }
}
