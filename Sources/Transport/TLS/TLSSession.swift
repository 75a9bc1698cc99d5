internal import COpenSSL
internal import Glibc

/// TLS on one link: OpenSSL's state of it. What the peer sent is fed to it, and what is to be sent lies in the loop's
/// `TLSRecords` after each call; it does no input or output itself, and holds no buffers while nothing is under way.
///
/// ```
/// shaking hands ──over──► open ──sayGoodbye, or an end of the peer's──► over
///        └───────failed──────┴────────────failed─────────────────────────┘
/// ```
/// Lives on its link's loop. Safe to use: the session is freed once, in deinit, and with it the BIO that points here.
@safe final class TLSSession {
    private let session: OpaquePointer
    private let records: TLSRecords
    /// What was fed and has not been taken; valid while the link handles one read.
    private var input: UnsafeRawBufferPointer
    /// After a fatal error nothing may be called but the end.
    private var isBroken = false
    private var saidGoodbye = false

    enum HandshakeStep {
        case wantsInput
        case over
        case failed(TLSFailure)
    }

    enum ReadStep {
        case bytes(Int)
        case wantsInput
        /// The peer said that it sends nothing more.
        case ended
        case failed(TLSFailure)
    }

    /// Nil when there is no memory for it.
    /// - Parameter identity: who the peer has to be; nil on the side that accepts.
    init?(_ material: TLSMaterial, identity: TLSIdentity?, on loop: Loop) {
        guard let session = unsafe SSL_new(material.context) else { return nil }
        guard let bio = unsafe BIO_new(TLSPipe.shared.method) else {
            unsafe SSL_free(session)
            return nil
        }
        unsafe self.session = session
        self.records = loop.turns.output.records
        unsafe self.input = UnsafeRawBufferPointer(start: nil, count: 0)
        unsafe BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        unsafe SSL_set_bio(session, bio, bio)
        if let identity {
            unsafe SSL_set_connect_state(session)
            guard unsafe identity.apply(to: session) else { return nil }
        } else {
            unsafe SSL_set_accept_state(session)
        }
    }

    deinit { unsafe SSL_free(self.session) }

    /// What the peer sent; valid until the link has handled it.
    func feed(_ bytes: UnsafeRawBufferPointer) { unsafe self.input = bytes }

    var agreedOnHTTP2: Bool {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(self.session, &name, &count)
        return unsafe UnsafeBufferPointer(start: name, count: Int(count)).elementsEqual("h2".utf8)
    }

    func shakeHands() -> HandshakeStep {
        guard !self.isBroken else { return .wantsInput }
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(self.session)
        guard result != 1 else { return .over }
        if unsafe SSL_get_error(self.session, result) == SSL_ERROR_WANT_READ { return .wantsInput }
        self.isBroken = true
        return .failed(self.failure())
    }

    /// As much as has come whole and fits.
    func decrypt(into region: UnsafeMutableRawBufferPointer) -> ReadStep {
        var total = 0
        guard !self.isBroken else { return .wantsInput }
        ERR_clear_error()
        while total < region.count {
            var count = 0
            let result = unsafe SSL_read_ex(self.session, region.baseAddress! + total, region.count - total, &count)
            if result == 1 {
                total += count
                continue
            }
            // What was read before comes first; the rest is found again by the next call.
            if total > 0 { break }
            switch unsafe SSL_get_error(self.session, result) {
            case SSL_ERROR_WANT_READ: return .wantsInput
            case SSL_ERROR_ZERO_RETURN: return .ended
            default:
                self.isBroken = true
                return .failed(self.failure())
            }
        }
        return .bytes(total)
    }

    /// False when the session is of no more use.
    func encrypt(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard !self.isBroken else { return false }
        ERR_clear_error()
        var count = 0
        let result = unsafe SSL_write_ex(self.session, bytes.baseAddress, bytes.count, &count)
        self.isBroken = result != 1
        return result == 1
    }

    /// Tells the peer that nothing more comes, if the two ever got so far.
    func sayGoodbye() {
        guard !self.isBroken, !self.saidGoodbye, unsafe SSL_is_init_finished(self.session) == 1 else { return }
        self.saidGoodbye = true
        ERR_clear_error()
        unsafe SSL_shutdown(self.session)
        ERR_clear_error()
    }

    private func failure() -> TLSFailure {
        TLSFailure(
            firstError: ERR_get_error(), verification: unsafe SSL_get_verify_result(self.session))
    }

    // MARK: - What OpenSSL calls

    /// How many bytes it got; zero means that there are none yet.
    fileprivate func take(_ room: UnsafeMutableRawBufferPointer) -> Int {
        let count = unsafe min(room.count, self.input.count)
        guard count > 0 else { return 0 }
        unsafe room.copyMemory(from: UnsafeRawBufferPointer(rebasing: self.input[..<count]))
        unsafe self.input = UnsafeRawBufferPointer(rebasing: self.input[count...])
        return count
    }

    fileprivate func give(_ bytes: UnsafeRawBufferPointer) { unsafe self.records.append(bytes) }
}

/// How OpenSSL reads and writes: from what was fed to a session and into the records of its loop. Made once.
///
/// Safe to use: the method is never changed after it was made, and lives as long as the process.
@safe private final class TLSPipe: @unchecked Sendable {
    static let shared = TLSPipe()
    let method: OpaquePointer

    private init() {
        guard let method = unsafe BIO_meth_new(BIO_get_new_index() | CInt(BIO_TYPE_SOURCE_SINK), "homing") else {
            preconditionFailure("no memory at the start")
        }
        unsafe BIO_meth_set_create(method) { bio in
            unsafe BIO_set_init(bio, 1)
            return 1
        }
        unsafe BIO_meth_set_read(method) { bio, room, count in
            guard let data = unsafe BIO_get_data(bio), let room = unsafe room, count > 0 else { return -1 }
            unsafe BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
            let taken = unsafe Unmanaged<TLSSession>.fromOpaque(data)._withUnsafeGuaranteedRef {
                unsafe $0.take(UnsafeMutableRawBufferPointer(start: room, count: Int(count)))
            }
            if taken == 0 {
                unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
                return -1
            }
            return CInt(taken)
        }
        unsafe BIO_meth_set_write(method) { bio, bytes, count in
            guard let data = unsafe BIO_get_data(bio), let bytes = unsafe bytes, count > 0 else { return -1 }
            unsafe Unmanaged<TLSSession>.fromOpaque(data)._withUnsafeGuaranteedRef {
                unsafe $0.give(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            }
            return count
        }
        // Nothing is kept back here, so a flush has nothing to do.
        unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        unsafe self.method = method
    }
}
