internal import COpenSSL
internal import Glibc

/// Who the peer of a connection that we open has to be.
enum TLSIdentity: Equatable {
    /// Its certificate holds this name; it is asked for by it.
    case name(String)
    /// Its certificate holds this address, which no server can be asked for.
    case address(String)
    /// Any name will do; it is asked for by this one if there is one.
    case anybody(asked: String?)

    /// False when the name is none that TLS can ask for.
    func apply(to session: OpaquePointer) -> Bool {
        switch self {
        case .name(let name):
            unsafe SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            return unsafe SSL_set1_host(session, name) == 1 && Self.ask(for: name, session)
        case .address(let address):
            return unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), address) == 1
        case .anybody(let name):
            return name.map { unsafe Self.ask(for: $0, session) } ?? true
        }
    }

    private static func ask(for name: String, _ session: OpaquePointer) -> Bool {
        unsafe homing_ssl_set_server_name(session, name) == 1
    }
}
