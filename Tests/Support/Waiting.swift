/// A wait of a test that was not met in time.
package struct NotInTime: Error, CustomStringConvertible {
    package let description: String
}

/// Waits until `condition` holds. A wait names its reason; its limit is far above what it ever takes.
package func until(
    _ reason: String, within limit: Duration = .seconds(60), _ condition: () async -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while await !condition() {
        guard ContinuousClock.now < deadline else { throw NotInTime(description: "waited \(limit) until \(reason)") }
        try await Task.sleep(for: .milliseconds(1))
    }
}
