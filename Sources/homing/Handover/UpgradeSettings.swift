import Config

/// How another process takes our place on SIGUSR2. Configuration section `upgrade`.
struct UpgradeSettings: Sendable, Equatable {
    /// How long the new process may take until it is ready; then it is ended and this one goes on.
    var readyTimeoutMs = 60_000
    /// How long open streams may go on in this process once the new one serves.
    var drainTimeoutMs = 3_600_000
}

extension UpgradeSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "ready_timeout_ms", &self.readyTimeoutMs, .int(in: 100...3_600_000),
            "How long the new process may take until it is ready. Then it is ended, and the old one goes on.")
        section.value(
            "drain_timeout_ms", &self.drainTimeoutMs, .int(in: 0...604_800_000),
            "How long open streams may go on in the old process once the new one serves. Nobody waits for them, so they "
                + "may take their time.")
    }
}
