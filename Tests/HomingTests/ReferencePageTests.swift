import Foundation
import Testing

@testable import homing

/// The pages of the documentation that are made from the code: `scripts/reference` writes them.
struct ReferencePageTests {
    private static let pages = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(
        path: "../../Sources/homing/homing.docc")

    /// What stands between the two marks of a page.
    private func generated(_ page: String) throws -> String {
        let text = try String(contentsOf: Self.pages.appending(path: page), encoding: .utf8)
        let parts = text.split(separator: /<!-- (?:written by scripts\/reference|as far as here) -->\n/)
        try #require(parts.count == 3, "\(page) has the two marks of scripts/reference")
        return parts[1].trimmingCharacters(in: .newlines)
    }

    @Test(arguments: [("Configuration.md", ReferenceCommand.Page.configuration), ("Metrics.md", .metrics)])
    func `a page is what the code says; scripts/reference writes it`(
        file: String, page: ReferenceCommand.Page
    ) async throws {
        let code = try await ReferenceCommand.text(of: page).split(separator: "\n", omittingEmptySubsequences: false)
        let text = try self.generated(file).split(separator: "\n", omittingEmptySubsequences: false)
        let missing = code.filter { !text.contains($0) }
        let surplus = text.filter { !code.contains($0) }
        #expect(missing.isEmpty && surplus.isEmpty && code == text, "run scripts/reference")
    }

    @Test func `whether a reload changes a key is found out for each of them`() {
        let keys = KeyTable().sections.flatMap(\.keys)
        let live = [String: Bool?](uniqueKeysWithValues: keys.map { ($0.path, $0.isLive) })
        #expect(keys.filter { $0.isLive == nil }.map(\.path) == [])
        for path in ["proxy.drain_timeout_ms", "log_level", "clusters[].routing.policy", "clusters[].models"] {
            #expect(live[path] == true, "\(path)")
        }
        for path in ["threads", "admin.address", "listeners[].address", "access_log.path", "clusters[].name"] {
            #expect(live[path] == false, "\(path)")
        }
    }

    @Test func `every key has its bounds, default, manual and variable`() throws {
        let keys = KeyTable().sections.flatMap(\.keys)
        #expect(keys.count > 100)
        for key in keys {
            #expect(!key.manual.isEmpty && !key.expects.isEmpty && !key.variables.isEmpty, "\(key.path)")
        }
        let drain = try #require(keys.first { $0.path == "proxy.drain_timeout_ms" })
        #expect(drain.unit == "milliseconds" && drain.defaultValue == "30000")
        #expect(drain.variables == ["HOMING_PROXY_DRAIN_TIMEOUT_MS"])
        // A key whose name has no unit is one that needs none: a count, a choice, a text.
        for key in keys where key.expects.hasPrefix("a number") && key.unit == nil {
            #expect(["balance_relative", "hash_load_bound", "min_prefix_match"].contains(key.name), "\(key.path)")
        }
    }
}
