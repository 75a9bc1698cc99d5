/// An answer of a name server (RFC 1035), as far as replicas are found by it. Nothing in it is trusted: every length is
/// checked, and names may neither leave the message nor go round in circles.
package struct DNSMessage: Sendable, Equatable {
    /// Of the answer section: those that `DNSRecord` knows.
    package private(set) var records: [DNSRecord] = []
    /// Shortest time that any record of the answer section holds, in seconds, those of its aliases among them. Nil
    /// without records.
    package private(set) var ttlSeconds: Int?

    /// Nil when the bytes are no such message.
    package init?(_ bytes: [UInt8]) {
        var reader = Reader(bytes)
        // Header: identity, flags, and how many entries each of the four sections has.
        guard reader.skip(4), let questions = reader.number16(), let answers = reader.number16(), reader.skip(4) else {
            return nil
        }
        for _ in 0..<questions {
            guard reader.name() != nil, reader.skip(4) else { return nil }
        }
        for _ in 0..<answers {
            guard reader.name() != nil, let type = reader.number16(), let kind = reader.number16(),
                let ttl = reader.number32(), let length = reader.number16(), reader.canRead(length)
            else { return nil }
            let end = reader.position + length
            if kind == Self.internet {
                // A number with the highest bit set counts as zero (RFC 2181, 8).
                let seconds = ttl >> 31 == 0 ? Int(ttl) : 0
                self.ttlSeconds = min(self.ttlSeconds ?? seconds, seconds)
                switch DNSType(rawValue: type) {
                case .a:
                    guard length == 4 else { return nil }
                    self.records.append(.address(DNSAddressText.v4(bytes[reader.position..<end])))
                case .aaaa:
                    guard length == 16 else { return nil }
                    self.records.append(.address(DNSAddressText.v6(bytes[reader.position..<end])))
                case .srv:
                    guard let priority = reader.number16(), let weight = reader.number16(),
                        let port = reader.number16(), let target = reader.name(), reader.position == end
                    else { return nil }
                    self.records.append(
                        .service(DNSService(priority: priority, weight: weight, port: port, target: target)))
                case nil: ()
                }
            }
            reader.position = end
        }
    }

    private static let internet = 1

    /// Walks over the bytes, and never past their end.
    private struct Reader {
        private let bytes: [UInt8]
        var position = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        func canRead(_ count: Int) -> Bool { self.bytes.count - self.position >= count }

        mutating func skip(_ count: Int) -> Bool {
            guard self.canRead(count) else { return false }
            self.position += count
            return true
        }

        mutating func number16() -> Int? {
            guard self.canRead(2) else { return nil }
            defer { self.position += 2 }
            return Int(self.bytes[self.position]) << 8 | Int(self.bytes[self.position + 1])
        }

        mutating func number32() -> UInt32? {
            guard let high = self.number16(), let low = self.number16() else { return nil }
            return UInt32(high) << 16 | UInt32(low)
        }

        /// A name without its final dot; `.` for the root. Labels with anything but letters, digits, `-` and `_` are
        /// no part of a host's name, and make it nil.
        mutating func name() -> String? {
            var labels: [String] = []
            var length = 0
            var cursor = self.position
            // Every jump leads towards the beginning, so that there is an end to them.
            var limit = cursor
            var hasJumped = false
            while true {
                guard cursor < self.bytes.count else { return nil }
                let count = Int(self.bytes[cursor])
                switch count >> 6 {
                case 0 where count == 0:
                    if !hasJumped { self.position = cursor + 1 }
                    return labels.isEmpty ? "." : labels.joined(separator: ".")
                case 0:
                    length += count + 1
                    guard length < 255, cursor + 1 + count <= self.bytes.count else { return nil }
                    let label = self.bytes[(cursor + 1)..<(cursor + 1 + count)]
                    guard label.allSatisfy(Self.isInNames) else { return nil }
                    labels.append(String(decoding: label, as: UTF8.self))
                    cursor += 1 + count
                case 3:
                    guard cursor + 1 < self.bytes.count else { return nil }
                    let target = (count & 0x3F) << 8 | Int(self.bytes[cursor + 1])
                    guard target < limit else { return nil }
                    if !hasJumped { self.position = cursor + 2 }
                    hasJumped = true
                    limit = target
                    cursor = target
                default: return nil
                }
            }
        }

        private static func isInNames(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "*"): true
            default: false
            }
        }
    }
}

/// What is asked for; the numbers are those of the protocol.
package enum DNSType: Int, Sendable, Hashable {
    case a = 1
    case aaaa = 28
    case srv = 33
}

/// One record of an answer.
package enum DNSRecord: Sendable, Hashable {
    /// An IPv4 or IPv6 address, as text.
    case address(String)
    case service(DNSService)
}

/// Where a service is offered (RFC 2782).
package struct DNSService: Sendable, Hashable {
    /// The lowest goes first.
    package var priority: Int
    /// Share among those of one priority; 0 to 65,535.
    package var weight: Int
    package var port: Int
    /// A name without its final dot; `.` means that the service is not offered.
    package var target: String

    package init(priority: Int, weight: Int, port: Int, target: String) {
        self.priority = priority
        self.weight = weight
        self.port = port
        self.target = target
    }
}
