import Connection
import Transport
import Wire

/// One call at the embedded worker: reads the request, hands it to the model, sends what the model says.
///
/// ```
/// receiving ──first message whole──► called ──first message of the answer──► answering ──► ended
///     └───────────── refused: no gRPC, too long, compressed, cut short … ───────────────────┘
/// ```
/// Response headers go out with the first message and not before, as real workers do it: time to first token shows.
/// Lives on the worker's loop; its session keeps it alive, and the worker does while its call is open.
final class WorkerStream: HTTP2Stream {
    private enum Phase { case receiving, called, answering, ended }

    private let worker: WorkerLoop
    private unowned let connection: WorkerConnection
    private var phase = Phase.receiving
    private var reader = GRPCFrameReader(maxMessageBytes: WorkerStream.maxMessageBytes)
    private var call: CallID?
    private var deadline: LoopTimer?

    /// Longest request that real workers take: 50 MiB.
    static let maxMessageBytes = 50 * 1024 * 1024

    init(on connection: WorkerConnection, of worker: WorkerLoop) {
        self.connection = connection
        self.worker = worker
        super.init(account: worker.account)
    }

    // MARK: From the caller

    override func headersArrived(ended: Bool) {
        guard self.headers.withValue(.method, { $0.equals("POST") }) ?? false else {
            return self.refuse(httpStatus: 405)
        }
        guard self.headers.withValue(.contentType, { $0.starts(with: "application/grpc") }) ?? false else {
            return self.refuse(httpStatus: 415)
        }
        guard self.isAuthorized else {
            return self.end(GRPCStatus(.unauthenticated, "the token is missing or wrong"))
        }
        // What nobody implements needs no message to be refused, and some callers wait before they send one.
        guard [].withRawSpan({ self.workerCall($0) }) != .unimplemented else { return self.begin(.unimplemented) }
        if let timeout = self.headers.withValue(.grpcTimeout, { GRPCTimeout.nanoseconds($0) }) {
            guard let timeout else { return self.end(GRPCStatus(.internal, "the grpc-timeout is not one")) }
            let bound = LoopBound(self, on: self.worker.loop)
            self.deadline = self.worker.loop.schedule(after: timeout) { bound.value.timeIsUp() }
        }
        if ended { self.bodyEnded() }
    }

    override func bodyArrived(_ bytes: RawSpan) {
        self.consume(bytes.byteCount)
        guard self.phase == .receiving else { return }
        var call: WorkerCall?
        var isCompressed = false
        do throws(GRPCFrameProblem) {
            try self.reader.read(bytes) { message, compressed in
                guard call == nil else { return }
                isCompressed = compressed
                call = compressed ? .malformed : self.workerCall(message)
            }
        } catch {
            return self.end(Self.status(of: error))
        }
        guard let call else { return }
        if isCompressed { self.end(self.compressedStatus) } else { self.begin(call) }
    }

    override func bodyEnded() {
        guard self.phase == .receiving else { return }
        do throws(GRPCFrameProblem) {
            try self.reader.finish()
            self.end(GRPCStatus(.internal, "the request has no message"))
        } catch {
            self.end(Self.status(of: error))
        }
    }

    // gRPC requests have no trailers; what they would say is dropped, their end is not.
    override func trailersArrived() { self.bodyEnded() }

    override func closed(_ closure: StreamClosure) {
        self.phase = .ended
        self.deadline?.cancel()
        // The caller is gone: its slot is for the next one.
        if let call = self.call { self.worker.cancel(call) }
    }

    private func timeIsUp() {
        guard self.phase != .ended else { return }
        if let call = self.call { self.worker.cancel(call) }
        self.end(GRPCStatus(.deadlineExceeded, "the deadline has passed"))
    }

    private func begin(_ call: WorkerCall) {
        self.phase = .called
        self.call = self.worker.call(call, from: self)
    }

    private func workerCall(_ message: RawSpan) -> WorkerCall {
        self.headers.withValue(.path) { WorkerCall(path: $0, message: message, in: self.worker.arena) }
            ?? .unimplemented
    }

    // MARK: To the caller

    /// Sends one message of the answer.
    func answer(_ message: [UInt8]) {
        guard self.isAttached, self.phase != .ended else { return }
        self.beginAnswer()
        self.send(GRPCFrame.framed(message))
    }

    /// Ends the call. An answer without a message is a header list alone.
    func end(_ status: GRPCStatus) {
        guard self.isAttached, self.phase != .ended else { return }
        let wasAnswering = self.phase == .answering
        self.phase = .ended
        self.deadline?.cancel()
        var fields = [(name: "grpc-status", value: status.code.text)]
        if !status.text.isEmpty {
            fields.append(("grpc-message", String(decoding: GRPCMessageText.encoded(status.text), as: UTF8.self)))
        }
        if wasAnswering { return self.endBody(trailers: fields) }
        let list = self.newAnswer()
        for field in fields { list.append(name: field.name, value: field.value) }
        self.connection.session.submitResponse(self, list, ended: true)
    }

    private func beginAnswer() {
        guard self.phase != .answering else { return }
        self.phase = .answering
        self.connection.session.submitResponse(self, self.newAnswer(), ended: false)
    }

    private func newAnswer() -> HeaderList {
        let list = self.connection.session.newHeaderList()
        list.append(":status", 200)
        list.append("content-type", "application/grpc")
        list.append("grpc-accept-encoding", "identity")
        return list
    }

    /// The caller does not speak gRPC, so it hears of that in HTTP's own words.
    private func refuse(httpStatus: Int) {
        self.phase = .ended
        let list = self.connection.session.newHeaderList()
        list.append(":status", httpStatus)
        self.connection.session.submitResponse(self, list, ended: true)
    }

    // MARK: What is wrong with a request

    private var isAuthorized: Bool {
        guard let token = self.worker.settings.authToken else { return true }
        return self.headers.strings.contains { $0.name == "authorization" && $0.value == "Bearer \(token)" }
    }

    /// gRPC asks for UNIMPLEMENTED when the encoding is not known here, and INTERNAL when none was named.
    private var compressedStatus: GRPCStatus {
        let encoding = self.headers.strings.first { $0.name == "grpc-encoding" }?.value ?? "identity"
        return encoding == "identity"
            ? GRPCStatus(.internal, "the message is compressed and grpc-encoding does not say how")
            : GRPCStatus(.unimplemented, "grpc-encoding \(encoding) is not supported")
    }

    private static func status(of problem: GRPCFrameProblem) -> GRPCStatus {
        switch problem {
        case .tooLong(let length):
            GRPCStatus(
                .resourceExhausted, "Received message larger than max (\(length) vs. \(WorkerStream.maxMessageBytes))")
        case .unknownFlag(let flag): GRPCStatus(.internal, "a message begins with the flag \(flag)")
        case .truncated(let missing):
            GRPCStatus(.internal, "the request ended inside a message, \(missing) bytes before its end")
        }
    }
}
