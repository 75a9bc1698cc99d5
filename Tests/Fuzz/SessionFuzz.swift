import Wire

/// The downstream session fed raw bytes: it ends or goes on, gives every stream back, and never stops making progress.
enum SessionFuzz {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

    /// First byte: bit 0, an honest preface goes first; bits 1 to 3, how the rest is cut; bits 4 to 5, what streams do.
    static func run(_ input: [UInt8]) {
        guard let control = input.first else { return }
        let connection = Connection(manner: Int(control >> 4) & 3)
        if control & 1 == 1 { connection.receive(self.preface) }
        let pieceBytes = [1, 3, 9, 10, 64, 1_000, 16_393, .max][Int(control >> 1) & 7]
        var rest = input.dropFirst()
        while !rest.isEmpty, !connection.isOver {
            connection.receive(Array(rest.prefix(pieceBytes)))
            rest = rest.dropFirst(pieceBytes)
        }
        connection.end()
    }

    private final class Connection: HTTP2SessionDelegate {
        private var session: HTTP2Session!
        private let manner: Int
        private let account = BufferAccount()
        private var open = 0
        private(set) var isOver = false
        private var nowNs: UInt64 = 1

        init(manner: Int) {
            self.manner = manner
            var settings = HTTP2Settings()
            settings.maxConcurrentStreams = 20
            settings.maxHeaderListBytes = 4_096
            self.session = HTTP2Session(.server, factory: HTTP2SessionFactory(settings: settings), delegate: self)
        }

        func receive(_ bytes: [UInt8]) {
            guard !self.isOver else { return }
            self.nowNs += 1_000_000
            if bytes.withRawSpan({ self.session.receive($0, at: self.nowNs) }) != .ok { self.isOver = true }
            self.drain()
            if self.session.isOver { self.isOver = true }
        }

        /// Everything that is to be sent, which is not much: windows are small and bodies are short.
        private func drain() {
            var region = [UInt8](repeating: 0, count: 64 * 1024)
            for _ in 0..<10_000 {
                let more = unsafe region.withUnsafeMutableBytes { region in
                    var output = unsafe OutputRawSpan(buffer: region, initializedCount: 0)
                    let more = self.session.drain(into: &output)
                    _ = unsafe output.finalize(for: region)
                    return more
                }
                if !more { return }
            }
            promise(false, "a session has an end of what it sends")
        }

        func end() {
            self.session.connectionLost()
            promise(self.open == 0, "every stream hears of its end")
            promise(self.session.streamCount == 0, "no stream is left")
            promise(self.account.bytes == 0, "no byte is left")
        }

        func makeStream() -> HTTP2Stream {
            self.open += 1
            return Stream(manner: self.manner, account: self.account, session: self.session) { self.open -= 1 }
        }

        func sessionNeedsDrain() {}
        func settingsArrived() {}
        func goAwayArrived(lastStreamID: Int32, code: HTTP2ErrorCode) {}
        func lastStreamClosed() {}
    }

    private final class Stream: HTTP2Stream {
        private let manner: Int
        private unowned let owner: HTTP2Session
        private let ended: () -> Void
        private var isClosed = false

        init(manner: Int, account: BufferAccount, session: HTTP2Session, ended: @escaping () -> Void) {
            self.manner = manner
            self.owner = session
            self.ended = ended
            super.init(account: account)
        }

        private func answer(ended: Bool) {
            let list = self.owner.newHeaderList()
            list.append(":status", 200)
            list.append(self.headers)
            self.owner.submitResponse(self, list, ended: ended)
        }

        override func headersArrived(ended: Bool) {
            _ = self.headers.strings
            switch self.manner {
            case 0: self.answer(ended: true)
            case 1: self.answer(ended: false)
            case 2: self.reset(.cancel)
            default: ()
            }
        }

        override func bodyArrived(_ bytes: RawSpan) {
            if self.manner == 1 { self.send(bytes) } else { self.consume(bytes.byteCount) }
        }

        override func bodyFramed(_ count: Int) { self.consume(count) }
        override func bodyEnded() { if self.manner == 1 { self.endBody(trailers: [("grpc-status", "0")]) } }
        override func trailersArrived() { if self.manner == 1 { self.endBody(trailers: self.trailers) } }
        override func endSent() { self.reset(.noError) }

        override func closed(_ closure: StreamClosure) {
            promise(!self.isClosed, "a stream ends once")
            self.isClosed = true
            self.reuse()
            self.ended()
        }
    }
}
