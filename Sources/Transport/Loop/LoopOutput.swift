/// The corked output of one loop: which links have something to send, and the regions that they share.
/// Touched on its loop only; `Loop` sees to that.
///
/// Safe to use: the regions are made in init, freed in deinit, and never leave Transport.
@safe final class LoopOutput {
    private var links = ContiguousArray<Link>()
    private var flushing = ContiguousArray<Link>()
    /// Where a link's handler puts what it has to send; TLS puts there what it has decrypted, too, at another time.
    let plain = UnsafeMutableRawBufferPointer.allocate(byteCount: LoopOutput.capacity, alignment: 16)
    /// What TLS has made of it.
    let records = TLSRecords()
    /// Links that have said everything and still read what their peers send.
    private var lingering = 0
    /// So that peers who hang on cost few sockets.
    private static let mostLingering = 256
    /// Room for several frames of the largest size, and what a link keeps at most when its peer does not read.
    private static let capacity = 64 * 1024

    deinit { unsafe self.plain.deallocate() }

    var isEmpty: Bool { self.links.isEmpty }

    func add(_ link: Link) { self.links.append(link) }

    func flush() {
        guard !self.links.isEmpty else { return }
        // Links that are corked while others are drained wait for the next turn.
        swap(&self.links, &self.flushing)
        for link in self.flushing { link.drain() }
        self.flushing.removeAll(keepingCapacity: true)
    }

    /// One link more reads on after its last words. False when enough do already.
    func mayLinger() -> Bool {
        guard self.lingering < Self.mostLingering else { return false }
        self.lingering += 1
        return true
    }

    func lingeringEnded() { self.lingering -= 1 }
}
