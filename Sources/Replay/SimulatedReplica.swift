/// One worker on virtual time: a queue of prompts, one prefill at a time, any number of answers being generated.
/// The `Simulation` owns it and tells it what time it is.
struct SimulatedReplica {
    let model: ReplicaModel
    /// Its durations ÷ those of the reference.
    let slowness: Double
    private(set) var cache: BlockCache
    /// Positions in the trace, in the order in which they came.
    private(set) var queue: [Int] = []
    private var queueStart = 0
    /// The one being prefilled.
    private(set) var current: Int?
    private(set) var currentEndsAt = 0.0
    private(set) var decoding = 0
    private(set) var served = 0
    /// Counted up when its queue, its cache or what it generates changes.
    private(set) var changes = 0
    /// What a stream takes from its first token to its end, averaged over all so far, in seconds.
    private(set) var meanHoldSeconds = 0.0
    private var holds = 0.0

    init(model: ReplicaModel, slowness: Double) {
        self.model = model
        self.slowness = slowness
        self.cache = BlockCache(blocks: model.cacheTokens / Trace.blockTokens)
    }

    var waiting: ArraySlice<Int> { self.queue[self.queueStart...] }
    var awaitingFirstToken: Int { self.queue.count - self.queueStart + (self.current == nil ? 0 : 1) }
    var inFlight: Int { self.awaitingFirstToken + self.decoding }

    /// Leading blocks of the prompt in the cache now.
    func held(_ blocks: [UInt64]) -> Int { self.cache.held(blocks) }

    mutating func take(_ request: Int) {
        self.queue.append(request)
        self.served += 1
        self.changes += 1
    }

    /// Begins the next prefill if there is one and a slot for it. Returns when it will be over and how many of its
    /// blocks were cached. `noise`: what its duration is multiplied by.
    mutating func start(_ requests: [Trace.Request], at now: Double, noise: Double) -> (endsAt: Double, held: Int)? {
        guard self.current == nil, self.queueStart < self.queue.count else { return nil }
        if self.model.slots > 0, self.decoding >= self.model.slots { return nil }
        let request = self.queue[self.queueStart]
        self.changes += 1
        self.queueStart += 1
        if self.queueStart > 1_000, self.queueStart * 2 > self.queue.count {
            self.queue.removeFirst(self.queueStart)
            self.queueStart = 0
        }
        let held = self.cache.use(requests[request].blocks)
        self.current = request
        self.currentEndsAt =
            now + self.model.prefillSeconds(requests[request], cached: held, decoding: self.decoding)
            * self.slowness * noise
        return (self.currentEndsAt, held)
    }

    /// The prefill is over: the first token is out. Returns when the answer ends.
    mutating func firstToken(_ request: Trace.Request, at now: Double) -> Double {
        self.current = nil
        self.decoding += 1
        self.changes += 1
        let seconds = self.model.decodeSeconds(request, decoding: self.decoding - 1) * self.slowness
        self.holds += 1
        self.meanHoldSeconds += (seconds - self.meanHoldSeconds) / self.holds
        return now + seconds
    }

    mutating func ended(_ request: Trace.Request) {
        self.decoding -= 1
        self.changes += 1
        self.cache.touch(request.blocks)
    }

    /// Seconds until a prompt that came now would start, slots aside.
    func startSeconds(_ requests: [Trace.Request], at now: Double) -> Double {
        self.currentSeconds(at: now) + self.queueSeconds(requests)
    }

    /// Seconds until the prefill that runs is over.
    func currentSeconds(at now: Double) -> Double {
        self.current == nil ? 0 : max(0, self.currentEndsAt - now)
    }

    /// Seconds that the prefills in the queue will take.
    func queueSeconds(_ requests: [Trace.Request]) -> Double {
        guard self.queueStart < self.queue.count else { return 0 }
        var seconds = 0.0
        var ahead = Set<UInt64>()
        for request in self.waiting {
            // What those before it bring into the cache is there for it.
            var held = self.cache.held(requests[request].blocks)
            while held < requests[request].blocks.count, ahead.contains(requests[request].blocks[held]) { held += 1 }
            seconds +=
                self.model.prefillSeconds(requests[request], cached: held, decoding: self.decoding) * self.slowness
            ahead.formUnion(requests[request].blocks[held...])
        }
        return seconds
    }

    /// Leading blocks of the prompt that will be in the cache when it starts, if it came now.
    func heldAtStart(_ blocks: [UInt64], _ requests: [Trace.Request]) -> Int {
        var held = self.cache.held(blocks)
        for request in self.waiting {
            while held < blocks.count, held < requests[request].blocks.count,
                requests[request].blocks[held] == blocks[held]
            {
                held += 1
            }
        }
        return held
    }
}
