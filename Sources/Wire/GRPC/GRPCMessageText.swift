/// The form of a status text in the `grpc-message` trailer: UTF-8 in which every byte outside of 0x20…0x7E, and the
/// percent sign, stands as `%XX`.
public enum GRPCMessageText {
    /// The trailer value for `text`, byte for byte; whether it is UTF-8 does not matter.
    public static func encoded(_ text: RawSpan) -> [UInt8] {
        var value: [UInt8] = []
        value.reserveCapacity(text.byteCount)
        for offset in 0..<text.byteCount {
            let byte = text.byte(at: offset)
            if byte >= 0x20, byte <= 0x7E, byte != UInt8(ascii: "%") {
                value.append(byte)
            } else {
                value.append(UInt8(ascii: "%"))
                value.append(Self.digit(byte >> 4))
                value.append(Self.digit(byte & 0x0F))
            }
        }
        return value
    }

    /// The trailer value for `text`.
    public static func encoded(_ text: String) -> [UInt8] {
        Array(text.utf8).withRawSpan { Self.encoded($0) }
    }

    /// The text of a trailer value. A percent sign without two hexadecimal digits stands for itself: the text is for a
    /// person to read, and an odd one is better than none.
    public static func decoded(_ value: RawSpan) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(value.byteCount)
        var offset = 0
        while offset < value.byteCount {
            let byte = value.byte(at: offset)
            if byte == UInt8(ascii: "%"), offset + 2 < value.byteCount,
                let high = Self.value(ofDigit: value.byte(at: offset + 1)),
                let low = Self.value(ofDigit: value.byte(at: offset + 2))
            {
                text.append(high << 4 | low)
                offset += 3
            } else {
                text.append(byte)
                offset += 1
            }
        }
        return text
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + (value - 10)
    }

    private static func value(ofDigit digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
