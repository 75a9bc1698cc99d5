/// What one `PrefixIndex.note` claimed, so that it can be taken back. It holds no reference: an index may forget
/// everything while tickets are out.
public struct NoteTicket: Sendable, Equatable {
    /// Arena position of the deepest block that was noted.
    let entry: Int32
    /// Blocks at the deep end of the chain that the replica was not believed to hold before.
    let claimed: Int32
    let hash: UInt64
    let slot: UInt16
    let generation: UInt16
    let serial: UInt16

    /// Nothing was noted.
    public static let nothing = NoteTicket(entry: -1, claimed: 0, hash: 0, slot: 0, generation: 0, serial: 0)
}
