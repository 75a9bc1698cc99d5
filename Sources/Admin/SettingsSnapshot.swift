/// The settings in use, as `/api/config` shows them: the keys of the configuration file with the values that count.
/// A secret is `<set>` or null.
package struct SettingsSnapshot: Sendable, Equatable, Encodable {
    /// A value as JSON has it.
    package indirect enum Value: Sendable, Equatable, Encodable {
        case null
        case bool(Bool)
        case int(Int)
        case double(Double)
        case text(String)
        case list([Value])
        case section([String: Value])

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .null: try container.encodeNil()
            case .bool(let value): try container.encode(value)
            case .int(let value): try container.encode(value)
            case .double(let value): try container.encode(value)
            case .text(let value): try container.encode(value)
            case .list(let values): try container.encode(values)
            case .section(let values): try container.encode(values)
            }
        }
    }

    /// Counts the settings of this process, from 1.
    package var generation: Int
    package var settings: Value

    package init(generation: Int, settings: Value) {
        self.generation = generation
        self.settings = settings
    }
}

/// The body of `/api/log-level`, both ways.
struct LogLevel: Codable {
    var logLevel: String

    private enum CodingKeys: String, CodingKey { case logLevel = "log_level" }
}
