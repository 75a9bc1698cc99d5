/// Something that happened to the fleet, as `/api/events` shows it: a replica changed, tokens were reloaded. The same
/// sentence and fields that the log has.
package struct EventSnapshot: Sendable, Equatable, Codable {
    /// Counts the events of this process, from 1.
    package var id: Int
    /// When, in milliseconds since 1970-01-01 UTC.
    package var unixMs: Int
    /// `info`, `notice`, `warning`, `error` or `critical`.
    package var level: String
    package var message: String
    package var fields: [String: String]

    package init(id: Int, unixMs: Int, level: String, message: String, fields: [String: String]) {
        self.id = id
        self.unixMs = unixMs
        self.level = level
        self.message = message
        self.fields = fields
    }

    private enum CodingKeys: String, CodingKey {
        case id, level, message, fields
        case unixMs = "unix_ms"
    }
}

/// The body of `/api/events`: the newest first.
package struct EventList: Sendable, Equatable, Codable {
    package var events: [EventSnapshot]

    package init(events: [EventSnapshot]) { self.events = events }
}
