import Connection
import Telemetry
import Wire

/// What ties a call to other people's logs: the model that was asked for, the request id, the trace.
extension ProxyStream {
    /// Most bytes of a name that are kept for the log.
    private static let mostNameBytes = 600

    /// The model that the call names. Kept only when there is a log to write it to.
    func noteModel(_ name: RawSpan) {
        guard name.byteCount > 0, self.runtime.accessLog.isOn else { return }
        self.model = name.extracting(first: Self.mostNameBytes).text
    }

    /// `x-request-id` of the caller, or the one that the proxy made.
    var requestID: String? {
        if let made = self.madeRequestID { return String(decoding: made, as: UTF8.self) }
        return self.headers.withValue(.requestID) { $0.extracting(first: Self.mostNameBytes).text }
    }

    var traceParent: String? {
        self.headers.withValue(.traceParent) { $0.extracting(first: Self.mostNameBytes).text }
    }

    /// A request id for a caller that sent none, when the settings want one: the same for every try.
    func addRequestID(to list: HeaderList) {
        guard self.runtime.settings.makeRequestIDs, !self.headers.contains(.requestID) else { return }
        let id = self.madeRequestID ?? Self.newRequestID()
        self.madeRequestID = id
        list.append(unindexed: "x-request-id", id)
    }

    /// 32 hexadecimal digits that nobody else has.
    private static func newRequestID() -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return [generator.next(), generator.next()].flatMap { (word: UInt64) in
            stride(from: 60, through: 0, by: -4).map { place in
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(place)) & 0xF
                return digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            }
        }
    }
}
