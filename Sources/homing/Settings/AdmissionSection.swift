import Config
import Routing

extension AdmissionSettings: ConfigSection {
    mutating func read(from section: SectionReader) {
        section.value(
            "max_in_flight", &self.maxInFlight, .inFlightLimit,
            "Most streams that one replica is given at a time, whatever the policy; further ones wait in the proxy. 0 "
                + "means as many as come. slots: as many as the replica works on at a time, once a LoadModel has said so "
                + "(parallel:N).")
        section.value(
            "max_waiting", &self.maxWaiting, .int(in: 1...100_000),
            "Most streams that wait in the proxy at a time. When all replicas are full, one more is answered with "
                + "RESOURCE_EXHAUSTED.")
        section.value(
            "max_wait_ms", &self.maxWaitMs, .int(in: 1...86_400_000),
            "How long a stream may wait while all replicas are full; then it is answered with RESOURCE_EXHAUSTED.")
        section.value(
            "fair_by", &self.fairBy, .callerKey,
            "Whose streams take turns when several callers wait. token: those with the same authorization. connection: "
                + "those of the same connection. Any other word is a request header, by whose value callers are told "
                + "apart. A stream without the header goes by its connection.")
    }
}

extension ValueForm where Value == InFlightLimit {
    static var inFlightLimit: Self {
        let number = ValueForm<Int>.int(in: 0...1_000_000)
        return Self(
            expects: "\(number.expects), or slots",
            parse: { (scalar) throws(Mismatch) in
                if scalar.text == "slots" { return .slots }
                let count = try number.parse(scalar)
                return count == 0 ? .off : .streams(count)
            },
            show: { limit in
                switch limit {
                case .off: number.show(0)
                case .streams(let count): number.show(count)
                case .slots: ScalarText("slots", isText: false)
                }
            })
    }
}

extension ValueForm where Value == CallerKey {
    static var callerKey: Self {
        Self(
            expects: "token, connection, or the name of a request header in lower case",
            parse: { (scalar) throws(Mismatch) in
                switch scalar.text {
                case "token": return .token
                case "connection": return .connection
                default:
                    let isName = scalar.text.utf8.allSatisfy { byte in
                        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-_.".utf8.contains(byte)
                    }
                    guard isName, (1...128).contains(scalar.text.utf8.count) else { throw .unexpected }
                    return .metadata(scalar.text)
                }
            },
            show: { key in
                switch key {
                case .token: ScalarText("token", isText: false)
                case .connection: ScalarText("connection", isText: false)
                case .metadata(let name): ScalarText(name, isText: true)
                }
            })
    }
}
