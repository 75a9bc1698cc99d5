/// How a gRPC call ended, as its trailers say (`grpc-status` and `grpc-message`).
public struct GRPCStatus: Sendable, Equatable {
    public var code: GRPCStatusCode
    /// The decoded text; ill-formed UTF-8 is replaced.
    public var text: String

    public init(_ code: GRPCStatusCode, _ text: String) {
        self.code = code
        self.text = text
    }

    /// Reads trailers, or the headers of an answer without a body. Nil when they carry no status; a number that gRPC
    /// does not know reads as UNKNOWN.
    public init?(_ block: HeaderBlock) {
        guard let code = block.withValue(.grpcStatus, { GRPCStatusCode(text: $0) ?? .unknown }) else { return nil }
        self.code = code
        self.text =
            block.withValue(.grpcMessage) { String(decoding: GRPCMessageText.decoded($0), as: UTF8.self) } ?? ""
    }
}
