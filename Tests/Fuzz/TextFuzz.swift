import Wire

/// `grpc-timeout` and the percent code of `grpc-message`: what is written is read back, whatever is read is bounded.
enum TextFuzz {
    static func run(_ input: [UInt8]) {
        input.withRawSpan { value in
            let decoded = GRPCMessageText.decoded(value)
            promise(decoded.count <= value.byteCount, "decoding makes nothing longer")
            let encoded = GRPCMessageText.encoded(value)
            promise(encoded.allSatisfy { (0x20...0x7e).contains($0) }, "what is encoded is a header value")
            let back = encoded.withRawSpan { GRPCMessageText.decoded($0) }
            promise(back == input, "what is encoded is decoded to the same")
            guard let timeout = GRPCTimeout.nanoseconds(value) else { return }
            let text = GRPCTimeout.text(nanoseconds: timeout)
            promise(text.count <= 9, "a timeout has 8 digits and a unit")
            guard let again = text.withRawSpan({ GRPCTimeout.nanoseconds($0) }) else {
                return promise(false, "a timeout that is written is one")
            }
            promise(again >= timeout, "a deadline never gets shorter by writing it")
        }
    }
}
