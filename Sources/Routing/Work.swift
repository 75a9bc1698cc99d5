/// What prefilling one prompt asks of a replica, in the three quantities that its duration is linear in. Work adds up:
/// the sum over a queue, priced by a `ServiceModel`, is how long the queue takes, also after the model has changed.
public struct Work: Sendable, Equatable {
    /// Prompts.
    public var prompts: Double
    /// Bytes to compute, in units of `Work.unit`.
    public var uncached: Double
    /// Bytes to compute times the bytes that stand before them on average, in units squared.
    public var attended: Double

    /// Bytes in one unit: about a thousand tokens.
    public static let unit = 4_096.0
    public static let none = Work(prompts: 0, uncached: 0, attended: 0)

    private init(prompts: Double, uncached: Double, attended: Double) {
        self.prompts = prompts
        self.uncached = uncached
        self.attended = attended
    }

    /// The work of a prompt of `promptBytes` whose first `cachedBytes` need not be computed.
    public init(promptBytes: Int, cachedBytes: Int) {
        let uncached = Double(max(0, promptBytes - cachedBytes)) / Self.unit
        let before = Double(promptBytes) / Self.unit - uncached / 2
        self.init(prompts: 1, uncached: uncached, attended: uncached * before)
    }

    public static func + (left: Work, right: Work) -> Work {
        Work(
            prompts: left.prompts + right.prompts, uncached: left.uncached + right.uncached,
            attended: left.attended + right.attended)
    }

    public static func - (left: Work, right: Work) -> Work {
        Work(
            prompts: left.prompts - right.prompts, uncached: left.uncached - right.uncached,
            attended: left.attended - right.attended)
    }
}
