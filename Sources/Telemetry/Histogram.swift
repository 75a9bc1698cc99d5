import Synchronization

/// How a quantity is spread: one count per bucket of fixed bounds, and the sum.
///
/// Made by `MetricRegistry.histogram` at assembly and kept by whoever measures. Safe to record into from any thread:
/// two relaxed atomics, no lock, no allocation. A scrape during a record may see the count without its part of the sum.
public final class Histogram: Sendable {
    /// What one whole number of `record` stands for.
    public enum Unit: Sendable, Equatable {
        /// Whole numbers of nanoseconds, shown in seconds.
        case seconds
        /// Whole numbers, shown as they are: bytes, blocks, messages.
        case whole
    }

    /// Upper bounds of the buckets, each inclusive, rising, in nanoseconds or whole numbers; +Inf follows the last.
    public let bounds: [Int]
    public let unit: Unit

    /// `bounds` once more, where they are read without a look at who refers to them.
    private let limits: InlineArray<23, Int>
    private let counts: InlineArray<24, Atomic<Int>>
    private let total = Atomic<Int>(0)

    /// Most bounds that one histogram may have.
    public static let maxBounds = 23

    /// - Parameter bounds: 1 to `maxBounds` rising numbers; anything else traps.
    public init(bounds: [Int], unit: Unit) {
        require(
            (1...Self.maxBounds).contains(bounds.count), "a histogram has 1 to \(Self.maxBounds) bucket bounds")
        require(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bucket bounds of a histogram rise")
        self.bounds = bounds
        self.unit = unit
        self.limits = InlineArray { $0 < bounds.count ? bounds[$0] : .max }
        self.counts = InlineArray { _ in Atomic(0) }
    }

    /// Counts one value: nanoseconds when the unit is seconds.
    public func record(_ value: Int) {
        var bucket = 0
        while bucket < Self.maxBounds, value > self.limits[bucket] { bucket += 1 }
        self.counts[bucket].wrappingAdd(1, ordering: .relaxed)
        self.total.wrappingAdd(value, ordering: .relaxed)
    }

    /// Counts one duration; only for a histogram of seconds.
    public func record(_ duration: Duration) {
        assert(self.unit == .seconds, "a duration is recorded in a histogram of seconds")
        self.record(duration.wholeNanoseconds)
    }

    /// Values in each bucket, not cumulative; the last one is past every bound.
    public var bucketCounts: [Int] {
        (0...self.bounds.count).map { self.counts[$0].load(ordering: .relaxed) }
    }

    /// Sum of everything recorded, in nanoseconds or whole numbers.
    public var sum: Int { self.total.load(ordering: .relaxed) }
}

extension Histogram {
    /// Bounds for the time until a worker's first answer, 1 ms to 2 min: a warm prefix answers in milliseconds, a long
    /// cold prompt behind a queue in minutes.
    public static let firstResponseBounds: [Duration] = [
        .milliseconds(1), .microseconds(2_500), .milliseconds(5), .milliseconds(10), .milliseconds(25),
        .milliseconds(50), .milliseconds(100), .milliseconds(250), .milliseconds(500), .seconds(1),
        .milliseconds(2_500), .seconds(5), .seconds(10), .seconds(30), .seconds(60), .seconds(120),
    ]
}

extension Duration {
    /// Nanoseconds, cut towards zero; a duration past 292 years becomes the longest one.
    public var wholeNanoseconds: Int {
        let (seconds, attoseconds) = self.components
        let (high, overflow) = Int(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (nanoseconds, tooLong) = high.addingReportingOverflow(Int(attoseconds / 1_000_000_000))
        return overflow || tooLong ? (seconds < 0 ? .min : .max) : nanoseconds
    }
}
