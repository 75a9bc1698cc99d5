/// Reads the frame headers of a caller before nghttp2 does, and stops where a strict server would.
///
/// ```
/// preface ──24 bytes──► between frames ──9 bytes──► in a payload ──► between frames
///                            └── HEADERS without END_HEADERS … CONTINUATION with it: in a header block
/// ```
/// nghttp2 keeps nothing of closed streams, so it takes frames on them for frames that were under way; and it counts
/// little of what costs a server much and a caller nothing. Payloads are passed over, except five bytes of PRIORITY.
/// A value in its session; time comes in as an argument.
struct FrameGate {
    struct Refusal {
        let offence: HTTP2Offence
        /// Where in the bytes the frame begins.
        let offset: Int

        /// How many of the bytes are still read. Of a flood none: what came with it would cost what the flood is to cost,
        /// and its caller is told that it was not looked at. A frame in the wrong place takes nothing from those before it.
        var bytesBefore: Int { self.offence.code == .enhanceYourCalm ? 0 : self.offset }
    }

    private var prefaceLeft = 24
    /// The frame header that is being put together, and how much of it is there.
    private var header: UInt64 = 0
    private var headerTail: UInt8 = 0
    private var headerCount = 0
    private var payloadLeft = 0
    private var kind: UInt8 = 0
    private var stream: UInt32 = 0

    /// The bytes of a stream dependency that are still to be looked at, and those that have been.
    private var dependencyLeft = 0
    private var dependencySkip = 0
    private var dependency: UInt32 = 0

    private var isInHeaderBlock = false
    private var continuations = 0
    private var blockBytes = 0

    private var recent = RecentStreams()
    private var resets: FrameBucket
    private var settings: FrameBucket
    private var pings: FrameBucket
    private var empty: FrameBucket
    private var control: FrameBucket
    /// Answers that the buckets have not heard of.
    private var answers = 0
    private let maxContinuations: Int
    private let maxBlockBytes: Int
    /// When the preface, the frame or the header block began that is still incomplete.
    private var incompleteSince: UInt64 = 0
    /// Whether the caller has shown that it speaks HTTP/2: its preface and its first frame are here.
    private(set) var hasBegun = false

    init(limits: FrameLimits, maxHeaderListBytes: Int) {
        self.resets = FrameBucket(perSecond: limits.resetsPerSecond)
        self.settings = FrameBucket(perSecond: max(1, limits.emptyFramesPerSecond / 10))
        self.pings = FrameBucket(perSecond: max(1, limits.emptyFramesPerSecond / 10))
        self.empty = FrameBucket(perSecond: limits.emptyFramesPerSecond)
        self.control = FrameBucket(perSecond: limits.emptyFramesPerSecond)
        self.maxContinuations = limits.maxContinuations
        self.maxBlockBytes = 4 * maxHeaderListBytes
    }

    /// Since when something has been arriving that is not whole yet, DATA apart; zero when nothing is.
    var incompleteSinceNs: UInt64 { self.incompleteSince }

    /// A frame of ours with an answer in it went out: a caller may have reason for a PING or a WINDOW_UPDATE more.
    mutating func answered() { self.answers += 1 }

    /// The buckets hear of answers when one of them is asked: most calls ask none.
    private mutating func payForAnswers() {
        self.pings.give(self.answers)
        self.control.give(self.answers)
        self.control.give(self.answers)
        self.answers = 0
    }

    /// Looks at the next bytes of the connection. Nil: all of them are for nghttp2.
    mutating func check(_ bytes: UnsafeRawBufferPointer, at nowNs: UInt64) -> Refusal? {
        var offset = 0
        while offset < bytes.count {
            if self.payloadLeft > 0 {
                let taken = min(self.payloadLeft, bytes.count - offset)
                if self.dependencyLeft > 0 {
                    unsafe self.readDependency(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + taken]))
                    if self.dependencyLeft == 0, self.dependency & 0x7fff_ffff == self.stream {
                        return Refusal(offence: .brokenPriority, offset: offset)
                    }
                }
                self.payloadLeft -= taken
                offset += taken
                continue
            }
            if self.prefaceLeft > 0 {
                let taken = min(self.prefaceLeft, bytes.count - offset)
                self.prefaceLeft -= taken
                offset += taken
                continue
            }
            let start = offset
            // What was incomplete before is whole; what begins here has its own time.
            if self.headerCount == 0, !self.isInHeaderBlock { self.incompleteSince = 0 }
            if self.headerCount == 0, bytes.count - offset >= 9 {
                unsafe self.header = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).bigEndian
                unsafe self.headerTail = bytes[offset + 8]
                offset += 9
            } else {
                while self.headerCount < 9, offset < bytes.count {
                    if self.headerCount < 8 {
                        unsafe self.header = self.header << 8 | UInt64(bytes[offset])
                    } else {
                        unsafe self.headerTail = bytes[offset]
                    }
                    self.headerCount += 1
                    offset += 1
                }
                guard self.headerCount == 9 else { break }
            }
            self.headerCount = 0
            if let offence = self.judge(at: nowNs) { return Refusal(offence: offence, offset: start) }
        }
        self.noteProgress(at: nowNs)
        return nil
    }

    private mutating func noteProgress(at nowNs: UInt64) {
        let isData = self.kind == 0 && self.headerCount == 0 && self.prefaceLeft == 0
        if (self.payloadLeft > 0 && !isData) || self.headerCount > 0 || self.isInHeaderBlock || !self.hasBegun {
            if self.incompleteSince == 0 { self.incompleteSince = nowNs }
        } else {
            self.incompleteSince = 0
        }
    }

    // MARK: One frame

    private static let data: UInt8 = 0
    private static let headers: UInt8 = 1
    private static let priority: UInt8 = 2
    private static let reset: UInt8 = 3
    private static let settings: UInt8 = 4
    private static let ping: UInt8 = 6
    private static let goAway: UInt8 = 7
    private static let continuation: UInt8 = 9

    private mutating func judge(at nowNs: UInt64) -> HTTP2Offence? {
        let length = Int(self.header >> 40)
        let flags = UInt8(truncatingIfNeeded: self.header >> 24)
        self.kind = UInt8(truncatingIfNeeded: self.header >> 32)
        self.stream = (UInt32(truncatingIfNeeded: self.header & 0xff_ffff) << 8 | UInt32(self.headerTail)) & 0x7fff_ffff
        self.header = 0
        self.payloadLeft = length
        self.hasBegun = true
        let ends = flags & 0x1 != 0
        switch self.kind {
        case Self.data:
            if let offence = self.recent.offence(of: self.stream) { return offence }
            if ends {
                self.recent.end(self.stream)
            } else if length == 0, !self.empty.take(at: nowNs) {
                return .emptyFrames
            }
        case Self.headers:
            return self.judgeHeaders(length, flags: flags, ends: ends)
        case Self.continuation:
            guard self.isInHeaderBlock else { return nil }
            self.continuations += 1
            self.blockBytes += length
            if self.continuations > self.maxContinuations || self.blockBytes > self.maxBlockBytes {
                return .continuationFlood
            }
            if flags & 0x4 != 0 { self.isInHeaderBlock = false }
        case Self.reset:
            self.recent.end(self.stream)
            if !self.resets.take(at: nowNs) { return .rapidReset }
        case Self.settings:
            if flags & 0x1 == 0, !self.settings.take(at: nowNs) { return .settingsFlood }
        case Self.ping:
            self.payForAnswers()
            if !self.pings.take(at: nowNs) { return .pingFlood }
        case Self.goAway: ()
        default:
            // nghttp2 does not look at these at all, since we said that we do not use them.
            if self.kind == Self.priority, self.stream == 0 { return .brokenPriority }
            if self.kind == Self.priority, length == 5 { (self.dependencyLeft, self.dependency) = (4, 0) }
            self.payForAnswers()
            if !self.control.take(at: nowNs) { return .controlFlood }
        }
        return nil
    }

    private mutating func judgeHeaders(_ length: Int, flags: UInt8, ends: Bool) -> HTTP2Offence? {
        if self.stream & 1 == 1 {
            if self.stream > self.recent.last {
                self.recent.open(self.stream)
            } else if let offence = self.recent.offence(of: self.stream) {
                return offence
            }
            if ends { self.recent.end(self.stream) }
        }
        if flags & 0x20 != 0 {
            // The pad length stands before the dependency.
            self.dependencySkip = flags & 0x8 != 0 ? 1 : 0
            if length >= 5 + self.dependencySkip { (self.dependencyLeft, self.dependency) = (4, 0) }
        }
        self.continuations = 0
        self.blockBytes = length
        self.isInHeaderBlock = flags & 0x4 == 0
        return nil
    }

    private mutating func readDependency(_ bytes: UnsafeRawBufferPointer) {
        for position in bytes.indices {
            if self.dependencySkip > 0 {
                self.dependencySkip -= 1
                continue
            }
            unsafe self.dependency = self.dependency << 8 | UInt32(bytes[position])
            self.dependencyLeft -= 1
            if self.dependencyLeft == 0 { return }
        }
    }
}
