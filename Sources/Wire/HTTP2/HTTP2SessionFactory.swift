internal import CCells
internal import CNghttp2

/// Makes the sessions of one loop: callbacks and options are set once and shared by all of them.
/// Safe to use: the C objects never leave this class and are freed once, in deinit, after nghttp2 has copied them.
@safe public final class HTTP2SessionFactory {
    let serverCallbacks: OpaquePointer
    let clientCallbacks: OpaquePointer
    let options: OpaquePointer
    /// What sessions allocate through. nghttp2 copies it, and header buffers carry it with them: they may outlive their
    /// session, and be freed on another thread.
    let memory: UnsafeMutablePointer<nghttp2_mem>
    /// The frame buffer of all server sessions of the loop: nghttp2 makes a frame in it and hands it out, we copy it, and then
    /// it holds nothing any more. One for each would be 16 KB of addresses and a page of memory per connection, touched in
    /// turn by all of them. A client session has its preface in its own from the beginning on.
    private let frameBuffer: OpaquePointer
    /// What nghttp2 asks for: a frame of the largest size with the length of its padding.
    private static let frameBufferBytes = 16_384 + 9 + 1
    /// Whether it is the one version whose tables we know how to make smaller.
    static let knowsTables = unsafe nghttp2_version(0)?.pointee.version_num == 0x01_34_00
    /// Of the last session.
    private(set) var tablesShrunk = 0
    let settings: HTTP2Settings
    /// Shared by all submissions of the loop.
    public let headerList = HeaderList()
    let spareEvents = HTTP2EventQueue.Spare()

    public init(settings: HTTP2Settings) {
        var options: OpaquePointer?
        guard unsafe nghttp2_option_new(&options) == 0, let options = unsafe options else {
            fatalError("out of memory for nghttp2's options")
        }
        unsafe nghttp2_option_set_no_auto_window_update(options, 1)
        unsafe nghttp2_option_set_no_closed_streams(options, 1)
        unsafe nghttp2_option_set_peer_max_concurrent_streams(options, UInt32(Int32.max))
        // gRPC allows callers white space around values, and lets us take it away; nghttp2 would drop the header.
        unsafe nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(options, 1)
        // `FrameGate` counts these first and says what it saw; nghttp2's own limits stand behind it.
        unsafe nghttp2_option_set_max_continuations(options, 64)
        // Every PING and SETTINGS of two full buckets may come in one read, before an acknowledgement can go out.
        unsafe nghttp2_option_set_max_outbound_ack(
            options, min(100_000, max(1_000, 2 * settings.limits.emptyFramesPerSecond + 100)))
        unsafe nghttp2_option_set_stream_reset_rate_limit(options, 1_000_000, 100_000)
        guard let frameBuffer = unsafe homing_shared_piece_make(Self.frameBufferBytes) else {
            fatalError("out of memory for a frame buffer")
        }
        unsafe self.frameBuffer = frameBuffer
        unsafe self.memory = .allocate(capacity: 1)
        unsafe self.memory.initialize(
            to: nghttp2_mem(
                mem_user_data: UnsafeMutableRawPointer(frameBuffer), malloc: homing_cells_malloc,
                free: homing_cells_free, calloc: homing_cells_calloc, realloc: homing_cells_realloc))
        unsafe self.serverCallbacks = Self.makeCallbacks(for: .server)
        unsafe self.clientCallbacks = Self.makeCallbacks(for: .client)
        unsafe self.options = options
        self.settings = settings
    }

    /// A new session of nghttp2's, with what this factory has set.
    func makeRaw(_ role: HTTP2Session.Role) -> OpaquePointer {
        var raw: OpaquePointer?
        let status: Int32
        switch role {
        case .server:
            unsafe homing_shared_piece_offer(self.frameBuffer, true)
            status = unsafe nghttp2_session_server_new3(&raw, self.serverCallbacks, nil, self.options, self.memory)
            // Later buffers of the same size are for header lists of more than one frame, and in use beside the first.
            unsafe homing_shared_piece_offer(self.frameBuffer, false)
            if Self.knowsTables {
                let session = unsafe raw.map { unsafe UnsafeMutableRawPointer($0) }
                self.tablesShrunk = unsafe Int(homing_shrink_session(session, self.frameBuffer))
            }
        case .client:
            status = unsafe nghttp2_session_client_new3(&raw, self.clientCallbacks, nil, self.options, self.memory)
        }
        guard status == 0, let raw = unsafe raw else { fatalError("out of memory for an nghttp2 session") }
        return unsafe raw
    }

    deinit {
        unsafe nghttp2_session_callbacks_del(self.serverCallbacks)
        unsafe nghttp2_session_callbacks_del(self.clientCallbacks)
        unsafe nghttp2_option_del(self.options)
        unsafe self.memory.deallocate()
        unsafe homing_shared_piece_free(self.frameBuffer)
    }

    private static func makeCallbacks(for role: HTTP2Session.Role) -> OpaquePointer {
        var callbacks: OpaquePointer?
        guard unsafe nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks = unsafe callbacks else {
            fatalError("out of memory for nghttp2's callbacks")
        }
        unsafe HTTP2Session.install(on: callbacks, for: role)
        return unsafe callbacks
    }
}

/// What we tell a peer in our first SETTINGS frame (RFC 9113 §6.5.2), and how large our connection window is.
public struct HTTP2Settings: Sendable, Equatable {
    /// Most streams the peer may open at once. Only said by servers.
    public var maxConcurrentStreams = 1_000
    /// Bytes of one stream that may be under way to us: what a reader that never reads can cost.
    public var streamWindowBytes = 256 * 1024
    /// Bytes of all streams together that may be under way. Given back on arrival, so it never blocks a stream.
    public var connectionWindowBytes = 4 * 1024 * 1024
    /// Largest header list we take. Of a larger request the caller is told so; a larger answer is reset.
    public var maxHeaderListBytes = 64 * 1024
    /// What a caller may do before it is sent away. Only kept by servers.
    public var limits = FrameLimits()

    public init() {}
}
