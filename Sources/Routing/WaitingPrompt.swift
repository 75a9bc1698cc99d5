/// A prompt that is held back until a replica is about to be free.
struct WaitingPrompt: Sendable {
    /// The caller's name for it.
    let id: UInt64
    /// A copy: the caller uses its own again.
    let chain: PrefixChain
    let arrived: Instant
    /// Sent by then, wherever to.
    let latest: Instant
    /// By slot, what is held of it, as of `seen`.
    var held: ContiguousArray<HeldPrefix>
    /// The count of notes when it was looked at last.
    var seen: UInt64
    /// When it is due, in seconds of the clock: the smaller, the sooner.
    var order = 0.0
}
