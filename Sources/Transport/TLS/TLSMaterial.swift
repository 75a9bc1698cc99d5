internal import COpenSSL
internal import Glibc

/// One side of TLS ready for use: OpenSSL's context with certificates, key and rules. Never changed once it is handed out;
/// new files make a new one, and sessions keep the one that they began with.
///
/// Safe to use from every thread: OpenSSL counts the references to a context under a lock of its own, and this class gives
/// its own back once, in deinit.
@safe final class TLSMaterial: @unchecked Sendable {
    let context: OpaquePointer
    /// When our own certificate ends, in seconds since 1970; nil without one.
    private(set) var expiry: Int?

    /// Suites of TLS 1.2 that HTTP/2 does not forbid (RFC 9113 Appendix A); TLS 1.3 has good ones only. AES-128 first: it
    /// costs least where processors know AES, and whoever prefers ChaCha20 is let have it.
    private static let suites =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    private static let suites13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

    /// Throws what OpenSSL says, for `file`.
    init(isServer: Bool, minimum: TLSVersion, for file: String) throws(TLSProblem) {
        guard let context = unsafe SSL_CTX_new(isServer ? TLS_server_method() : TLS_client_method()) else {
            throw TLSProblem(file: file, text: "no memory for TLS")
        }
        unsafe self.context = context
        let version =
            switch minimum {
            case .v12: TLS1_2_VERSION
            case .v13: TLS1_3_VERSION
            }
        unsafe SSL_CTX_set_options(context, homing_ssl_options())
        // Sessions that are idle give their buffers back: 34 KB each.
        unsafe homing_ssl_ctx_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS))
        // Tickets are the callers' to keep; what is resumed was checked by this same context.
        unsafe homing_ssl_ctx_no_session_cache(context)
        let name = Array("homing".utf8)
        guard unsafe homing_ssl_ctx_set_min_version(context, version) == 1,
            unsafe SSL_CTX_set_cipher_list(context, Self.suites) == 1,
            unsafe SSL_CTX_set_ciphersuites(context, Self.suites13) == 1,
            unsafe SSL_CTX_set_session_id_context(context, name, UInt32(name.count)) == 1
        else { throw TLSProblem(file: file, text: Self.lastError) }
        if isServer {
            unsafe SSL_CTX_set_alpn_select_cb(context, Self.chooseProtocol, nil)
        } else {
            let protocols: [UInt8] = [2] + Array("h2".utf8)
            unsafe SSL_CTX_set_alpn_protos(context, protocols, UInt32(protocols.count))
        }
    }

    deinit { unsafe SSL_CTX_free(self.context) }

    // MARK: Before it is handed out

    /// Our certificate, those that lead from it towards a root, and its key.
    func identify(certificates file: String, key keyFile: String) throws(TLSProblem) {
        let chain = try TLSCertificates(file)
        let key = unsafe try Self.key(keyFile)
        defer { unsafe EVP_PKEY_free(key) }
        ERR_clear_error()
        guard let own = unsafe chain.first, unsafe SSL_CTX_use_certificate(self.context, own) == 1,
            unsafe chain.rest.allSatisfy({ unsafe homing_ssl_ctx_add_to_chain(self.context, $0) == 1 })
        else { throw TLSProblem(file: file, text: Self.lastError) }
        guard unsafe SSL_CTX_use_PrivateKey(self.context, key) == 1,
            unsafe SSL_CTX_check_private_key(self.context) == 1
        else {
            let isOfAnother = homing_error_library(ERR_peek_error()) == ERR_LIB_X509
            throw TLSProblem(
                file: file, text: isOfAnother ? "the private key is not that of this certificate" : Self.lastError)
        }
        self.expiry = chain.expiry
    }

    /// Who may sign peers' certificates.
    func trust(_ file: String) throws(TLSProblem) {
        let authorities = try TLSCertificates(file)
        let store = unsafe SSL_CTX_get_cert_store(self.context)
        ERR_clear_error()
        guard unsafe authorities.all.allSatisfy({ unsafe X509_STORE_add_cert(store, $0) == 1 }) else {
            throw TLSProblem(file: file, text: Self.lastError)
        }
    }

    /// The system's authorities may.
    func trustSystem() { unsafe SSL_CTX_set_default_verify_paths(self.context) }

    /// - Parameter mustShow: a peer without a certificate is refused; clients' peers always show one.
    func verifyPeers(mustShow: Bool) {
        let mode = mustShow ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER
        unsafe SSL_CTX_set_verify(self.context, mode, nil)
    }

    private static func key(_ file: String) throws(TLSProblem) -> OpaquePointer {
        let problem = TLSProblem(
            file: file, text: "no private key in PEM form without a passphrase can be read from it")
        guard let bytes = SmallFile.bytes(file) else { throw problem }
        let key = unsafe bytes.withUnsafeBytes { bytes in
            unsafe TLSCertificates.reading(bytes) { bio in
                // Without this OpenSSL would ask at the terminal.
                unsafe PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
            }
        }
        guard let key = unsafe key else { throw problem }
        return unsafe key
    }

    /// The first error of the queue, which says what happened.
    private static var lastError: String {
        let error = ERR_peek_error()
        defer { ERR_clear_error() }
        return unsafe ERR_reason_error_string(error).map { unsafe String(cString: $0) } ?? "OpenSSL error \(error)"
    }

    /// `h2` when the peer offers it. Who does not is sent away after the handshake, so that it is told in TLS.
    private static let chooseProtocol: SSL_CTX_alpn_select_cb_func = { _, chosen, chosenCount, offered, count, _ in
        guard let offered = unsafe offered, let chosen = unsafe chosen, let chosenCount = unsafe chosenCount else {
            return SSL_TLSEXT_ERR_NOACK
        }
        var start = 0
        while start < Int(count) {
            let length = Int(unsafe offered[start])
            guard start + 1 + length <= Int(count) else { break }
            let name = unsafe UnsafeBufferPointer(start: offered + start + 1, count: length)
            if unsafe name.elementsEqual("h2".utf8) {
                unsafe chosen.pointee = offered + start + 1
                unsafe chosenCount.pointee = 2
                return SSL_TLSEXT_ERR_OK
            }
            start += 1 + length
        }
        return SSL_TLSEXT_ERR_NOACK
    }
}
