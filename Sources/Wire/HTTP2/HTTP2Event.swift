internal import CNghttp2

/// What an nghttp2 callback saw, kept until the C call is over. Plain bits: recording one costs a store.
@safe struct HTTP2Event {
    enum Kind: UInt8 {
        case headers
        case body
        case trailers
        case bodyEnded
        case framed
        case endSent
        case closed
        case settings
        case pingAnswered
        case goAway
        case goAwaySent
        case streamRefused
        case streamErrorSent
    }

    let kind: Kind
    /// Whether END_STREAM came with it.
    var ended = false
    /// An error code, or a last stream identifier.
    var code: UInt32 = 0
    var lastStreamID: Int32 = 0
    var stream: Unmanaged<HTTP2Stream>?
    /// A range of the input being fed, valid until the end of `receive`.
    var bytes = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
}
