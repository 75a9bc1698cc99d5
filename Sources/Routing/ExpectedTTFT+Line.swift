/// Whether prompts stand in line on a replica, one computed after the other, or are computed side by side. Holding a
/// prompt back is only worth it in the former case. Learned from prompts that were sent to a replica with unstarted work:
/// how much of the time that this should have taken did they really wait?
///
/// Whoever holds back sees no lines. So nothing is held before lines were seen, unless they are assumed, and now and then
/// one prompt is not held to see what happens.
struct LineBelief: Sendable {
    /// Sums over the last dozen such prompts, in seconds: what they should have waited in line, and what they did.
    private let isAssumed: Bool
    private var expected = 0.0
    private var waited = 0.0
    private var samples = 0
    /// Share of the unstarted work that a prompt waits for, up to 1. All of it as long as nothing is known.
    private(set) var share = 1.0
    /// Observed ÷ predicted seconds of the last few prompts that had nobody before them, averaged.
    private var alone = 1.0
    private var aloneSamples = 0
    private var held = 0

    private static let memory = 0.9
    /// Samples without which nothing is believed.
    private static let enough = 4
    /// Estimates are rough: a share above this is a line.
    private static let wholeLine = 0.7
    /// So that there is always something to learn from.
    private static let smallestShare = 0.05

    /// - Parameter isAssumed: whether there are lines, as long as nothing is known.
    init(isAssumed: Bool) { self.isAssumed = isAssumed }

    /// A prompt of `own` predicted seconds had nobody before it.
    mutating func learnAlone(own: Double, observed: Double) {
        self.aloneSamples += 1
        let ratio = min(max(observed / max(own, 0.001), 0.1), 10)
        // Quickly: what the model believed a moment ago is no measure of what it believes now.
        self.alone += max(0.25, 1 / Double(self.aloneSamples)) * (ratio - self.alone)
    }

    /// A prompt of `own` predicted seconds was sent behind work that should have taken `expected` seconds.
    mutating func learn(own: Double, expected: Double, observed: Double) {
        let own = own * self.alone
        // The shorter the line, the more of what is measured is the prompt itself.
        guard self.aloneSamples >= 3, expected >= max(0.03, 0.3 * own) else { return }
        self.expected = self.expected * Self.memory + expected
        self.waited = self.waited * Self.memory + min(max(observed - own, 0), expected)
        self.samples += 1
        guard self.samples >= Self.enough, self.expected > 0 else { return }
        self.share = min(1, max(Self.smallestShare, self.waited / self.expected / Self.wholeLine))
    }

    /// Whether the next one that would be held should not be, to see what happens: every sixty-fourth, and every eighth
    /// as long as little is known.
    mutating func looks() -> Bool {
        self.held += 1
        return self.held % (self.samples < 4 * Self.enough ? 8 : 64) == 0
    }

    /// Whether there are lines, so that it is worth holding back.
    var standsInLine: Bool { self.samples >= Self.enough ? self.share > 0.5 : self.isAssumed }

    /// Whether enough was seen to tell.
    var isKnown: Bool { self.samples >= Self.enough }

    /// Whether it is known that there are none, so that a prompt which met others does not say how long it takes itself.
    var isSideBySide: Bool { self.samples >= Self.enough && self.share <= 0.5 }
}

extension ExpectedTTFT {
    /// Share of the unstarted work on a replica that another prompt there waits for.
    var lineShare: Double { self.line.share }

    /// Whether prompts stand in line on a replica, so that it is worth waiting outside. Mutating, so that it is called where
    /// it is: what only looks would be given a copy.
    mutating func standsInLine() -> Bool { self.line.standsInLine }

    /// As `LineBelief.looks`.
    mutating func looksWhatHappens() -> Bool { self.line.looks() }

    /// Streams that the replica in `slot` works on at a time; zero: as many as come.
    @inline(__always)
    func slots(ofSlot slot: Int) -> Int {
        self.loads[slot].slots > 0 ? self.loads[slot].slots : self.settings.slots
    }

    /// Seconds of the record's own prefill, as predicted.
    @inline(__always)
    func ownSeconds(_ record: StreamRecord) -> Double {
        self.model.seconds(record.work) * self.loads[record.slot].speed
    }

    /// Whether a prompt that should have stood in line came so soon after the one before it that it did not. As long as
    /// nothing is known, it says nothing about how long prompts take.
    func isTooSoon(_ record: StreamRecord, seconds: Double) -> Bool {
        !self.line.isKnown && record.lineSeconds > 0 && seconds < self.ownSeconds(record) / 4
    }

    /// A prompt had its first response so long after it was sent.
    mutating func learnLine(_ record: StreamRecord, observed: Double) {
        // A model that is still a guess is no measure of anything.
        guard !record.overfull, record.promptBytes > 0, self.model.samples >= 6 else { return }
        let own = self.ownSeconds(record)
        if record.lineSeconds == 0 {
            self.line.learnAlone(own: own, observed: observed)
        } else {
            self.line.learn(own: own, expected: record.lineSeconds / self.lineShare, observed: observed)
        }
    }
}
