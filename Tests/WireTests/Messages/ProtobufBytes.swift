/// Makes protobuf wire form by hand, so that tests can say things that no generator would.
struct ProtobufBytes {
    private(set) var bytes: [UInt8] = []

    mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            self.bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        self.bytes.append(UInt8(value))
    }

    mutating func number(_ field: UInt64, _ value: UInt64) {
        self.varint(field << 3)
        self.varint(value)
    }

    mutating func data(_ field: UInt64, _ value: [UInt8]) {
        self.varint(field << 3 | 2)
        self.varint(UInt64(value.count))
        self.bytes += value
    }

    mutating func text(_ field: UInt64, _ value: String) {
        self.data(field, Array(value.utf8))
    }

    static func of(_ make: (inout ProtobufBytes) -> Void) -> [UInt8] {
        var message = ProtobufBytes()
        make(&message)
        return message.bytes
    }
}

extension [UInt8] {
    /// The bytes that pairs of hexadecimal digits say.
    init(hex: String) {
        let digits = hex.utf8.map { UInt8(String(UnicodeScalar($0)), radix: 16) ?? 0 }
        self = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

/// What other people's code (google.protobuf for Python 6, from proto/backend.proto) makes of known values.
enum ForeignMessages {
    static let predictPrompt = [UInt8](
        hex: "0a104f6e63652075706f6e00612074696d6510ffffffffffffffffff01202028284d3333333f6a043c2f733e6a00d80101a2"
            + "03170a0f656e61626c655f7468696e6b696e67120474727565b203047177656e")
    static let predictMessages = [UInt8](
        hex: "9a020d01feffffffffffffffff01ac02d80201e2021a0a0673797374656d1210596f75206172652068656c7066756c2ee202"
            + "0a0a047573657212024869e2020f0a09617373697374616e7432025b5d8203045b7b7d5d8a03046175746f")
    static let modelOptions = [UInt8](
        hex: "0a047177656e108020aa010c2f6d2f7177656e2e67677566da03022f6dea03080000003f0000803ff2030a706172616c6c65"
            + "6c3a34f2030d63616368655f72616d3a313030d2040a0a08687474703a2f2f78")
    static let reply = [UInt8](
        hex: "0a034869ff1003180c21000000000000f83f29000000000000d03f3a027b7d42110a01611a0c08011201631a016622027b7d")
    static let result = [UInt8](hex: "0a066c6f616465641001")
    static let status = [UInt8](hex: "08ffffffffffffffffff01120e0880808080802012050a01611001")
    static let metrics = [UInt8](hex: "0802120222221d0000484120072809")
    static let tokenization = [UInt8](hex: "080312050506f0a204")
    static let embedding = [UInt8](hex: "0a080000003f000080bf1001180220042802")
    static let tts = [UInt8](hex: "0a0568656c6c6f2a003a060a01611201624205766f696365")
    static let score = [UInt8](hex: "0a0b737461626c65207461696c1201612a01713006")
    static let rerank = [UInt8](hex: "0a0171120164220172")
    static let modelMetadata = [UInt8](hex: "08011a030a017822033c6d3e")
    static let detokenize = [UInt8](hex: "0a020102")

    static let all = [
        predictPrompt, predictMessages, modelOptions, reply, result, status, metrics, tokenization, embedding, tts,
        score, rerank, modelMetadata, detokenize,
    ]
}

/// Random numbers that a printed seed brings back (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
