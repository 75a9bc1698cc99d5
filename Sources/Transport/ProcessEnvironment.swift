internal import Glibc

/// Environment variables that mean this process alone, and what else a new process needs to be like it.
public enum ProcessEnvironment {
    /// The values of `names`, which are gone from the environment afterwards, so that no child takes them for its own.
    /// To be called once, before other threads look at the environment.
    public static func take(_ names: [String]) -> [String: String] {
        var values: [String: String] = [:]
        for name in names {
            guard let value = unsafe getenv(name) else { continue }
            values[name] = unsafe String(cString: value)
            unsafe unsetenv(name)
        }
        return values
    }

    public static var pid: CInt { getpid() }

    /// Microseconds of CLOCK_MONOTONIC, by which systemd tells one reload from another.
    public static var monotonicUs: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1_000
    }

    /// The file to start for another process like this one, whatever has been installed there since: how this one was
    /// called, if that was this program, else where it lies.
    ///
    /// A link that is called, such as `current/homing`, is followed again by each new process.
    public static func ownPath(calledAs name: String) -> String? {
        guard let program = self.resolved("/proc/self/exe") else { return nil }
        var candidates: [String] = []
        if name.contains("/") {
            candidates.append(self.absolute(name))
        } else if let path = unsafe getenv("PATH") {
            candidates += unsafe String(cString: path).split(separator: ":").map { self.absolute("\($0)/\(name)") }
        }
        return candidates.first { self.resolved($0) == program } ?? program
    }

    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let folder = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(folder) }
        return unsafe String(cString: folder) + "/" + path
    }

    private static func resolved(_ path: String) -> String? {
        guard let real = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(real) }
        return unsafe String(cString: real)
    }
}
