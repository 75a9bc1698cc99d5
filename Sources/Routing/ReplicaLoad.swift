/// What `expected_ttft` knows of one replica besides its cache: what waits in it for its first response, and how fast
/// it is. The unstarted streams are a list in the order in which they were sent.
struct ReplicaLoad: Sendable {
    /// Duration of its work ÷ that of the reference replica.
    var speed = 1.0
    var speedSamples = 0
    /// Sum over the unstarted streams.
    var unstarted = Work.none
    var unstartedCount = 0
    /// Of the oldest of them, so that a choice need not look at the record: meaningless when there is none.
    var headWork = Work.none
    var headSent = Instant(nanoseconds: 0)
    var headIsSilent = false
    /// Positions of records, -1 for none.
    var first: Int32 = -1
    var last: Int32 = -1
    /// When a stream of it had its first response last: the next one began not before.
    var lastFirstResponse = Instant(nanoseconds: 0)
    /// How often the size of its cache was corrected, and the depth up to which hits were seen, in bytes.
    var cacheSamples = 0
    var confirmedBytes: UInt64 = 0
    /// Predicted and observed time to first response, averaged over the last few dozen streams, in seconds.
    var predictedSeconds = 0.0
    var observedSeconds = 0.0
    var observations = 0
    /// Streams that it works on at a time, as its model was loaded; zero: not known.
    var slots = 0

    static let slowest = 20.0
}

/// One stream between its pick and its end.
struct StreamRecord: Sendable {
    /// The lease's serial; zero while the record is unused.
    var serial: UInt64 = 0
    var slot = 0
    var work = Work.none
    var promptBytes = 0
    var profile = CacheProfile()
    var ticket = CacheTicket.nothing
    var sent = Instant(nanoseconds: 0)
    var predictedSeconds = 0.0
    /// The part of that during which others were to be computed.
    var lineSeconds = 0.0
    /// It had to wait for a slot: what it tells about speed is not to be trusted.
    var overfull = false
    /// Another stream got its first response before this one although it was sent later.
    var overtaken = false
    /// It answers once, at its end: nobody is told when its prompt was done.
    var isSilent = false
    /// It no longer counts as unstarted.
    var isStarted = false
    /// Its duration has taught the model.
    var learned = false
    /// Neighbours among the unstarted; `newer` also links unused records.
    var older: Int32 = -1
    var newer: Int32 = -1
}
