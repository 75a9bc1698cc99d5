internal import Glibc

/// How many sockets this process may have open.
public enum OpenFileLimit {
    /// Raises the soft limit to the hard one, as a server with thousands of connections needs. Where that is not
    /// allowed the limit stays as it is.
    public static func raise() {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
