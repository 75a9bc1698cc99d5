/// Settings that change while streams are out and prompts wait.
extension ReplicaTable {
    /// What counts from now on, for whoever waits too. Leases that are out come back as ever; what is known of caches is
    /// kept unless prompts are compared in another way, or another policy remembers them.
    public mutating func apply(_ settings: RoutingSettings) {
        let before = self.settings
        self.settings = settings
        self.prefixCachePicker = PrefixCachePicker(settings)
        let isOtherChain =
            settings.chain != before.chain || settings.blockBytes != before.blockBytes
            || settings.maxIndexBlocks != before.maxIndexBlocks
        if isOtherChain || settings.policy != before.policy {
            self.index = self.index.emptied(capacity: settings.maxIndexBlocks, timeToLiveMs: settings.prefixTtlMs)
        } else {
            self.index.live(forMs: settings.prefixTtlMs)
        }
        guard settings.policy == .expectedTTFT else {
            self.expected = nil
            return
        }
        if self.expected == nil { return self.beginExpecting() }
        self.expected?.apply(settings.expectedTTFT)
        if isOtherChain { self.expected?.emptyIndex(capacity: settings.maxIndexBlocks) }
    }

    /// `expected_ttft` begins, with replicas that are here already and prompts that wait.
    private mutating func beginExpecting() {
        self.expected = ExpectedTTFT(settings: self.settings.expectedTTFT, maxBlocks: self.settings.maxIndexBlocks)
        for slot in self.members.indices {
            self.expected?.joined(slot: slot)
            self.expected?.setSlots(self.members[slot]?.slots ?? 0, ofSlot: slot)
            self.queue.forget(slot: slot)
        }
    }
}
