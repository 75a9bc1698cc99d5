import CPostgres
import Glibc

/// What went wrong between us and a database: one text, which holds no password.
struct PostgresFailure: Error {
    let text: String
    /// Five characters, when the server has said them.
    var sqlState: String?
}

/// One connection to a PostgreSQL server, for one look on one thread; every step of it ends within its time.
///
/// This file is the one place that calls libpq. Safe to use: the pointer never leaves this class and is freed once, in
/// deinit; results are copied and freed where they come from.
@safe final class PostgresConnection {
    private let connection: OpaquePointer

    /// Connects and logs in, to the first host of the address that lets us.
    /// - Parameters:
    ///   - database: `postgresql://…` or `key=value …`, as libpq takes it.
    ///   - password: nil leaves it to libpq: PGPASSWORD, the password file, or none at all.
    ///   - timeoutMs: for each host, so that one that is dead does not stand before the next one.
    static func open(
        _ database: String, password: String?, timeoutMs: Int
    ) throws(PostgresFailure) -> PostgresConnection {
        var parameters = [("dbname", database), ("fallback_application_name", "homing"), ("client_encoding", "UTF8")]
        if let password { parameters.append(("password", password)) }
        var failures: [String] = []
        for host in Self.hosts(of: database) {
            do throws(PostgresFailure) {
                return try PostgresConnection(parameters + host, timeoutMs: timeoutMs)
            } catch {
                failures.append(error.text)
            }
        }
        throw PostgresFailure(text: failures.joined(separator: "\n"))
    }

    private init(_ parameters: [(String, String)], timeoutMs: Int) throws(PostgresFailure) {
        guard let connection = unsafe Self.start(parameters) else { throw PostgresFailure(text: "out of memory") }
        unsafe self.connection = connection
        // Otherwise libpq writes what servers remark to stderr.
        unsafe PQsetNoticeReceiver(connection, { _, _ in }, nil)
        guard unsafe PQstatus(connection) != CONNECTION_BAD else { throw self.failure }
        var wait = Wait(timeoutMs: timeoutMs)
        var wants = PGRES_POLLING_WRITING
        while wants != PGRES_POLLING_OK {
            let events = wants == PGRES_POLLING_READING ? POLLIN : POLLOUT
            guard wait.until(events, on: unsafe PQsocket(connection)) else {
                let host = unsafe PQhost(connection).map { unsafe String(cString: $0) } ?? ""
                throw PostgresFailure(text: "connecting to \(host) took longer than \(timeoutMs) ms")
            }
            wants = unsafe PQconnectPoll(connection)
            if wants == PGRES_POLLING_FAILED { throw self.failure }
        }
    }

    deinit {
        unsafe PQfinish(self.connection)
    }

    /// Runs a command that returns no rows.
    func run(_ command: String, timeoutMs: Int) throws(PostgresFailure) {
        _ = try self.rows(command, [], timeoutMs: timeoutMs)
    }

    /// The rows of a query, column by column; nil for NULL.
    /// - Parameter values: stand for `$1` and so on.
    func rows(_ query: String, _ values: [String], timeoutMs: Int) throws(PostgresFailure) -> [[String?]] {
        guard self.send(query, values) else { throw self.failure }
        var wait = Wait(timeoutMs: timeoutMs)
        var rows: [[String?]] = []
        var failure: PostgresFailure?
        while true {
            while unsafe PQisBusy(self.connection) != 0 {
                guard wait.until(POLLIN, on: unsafe PQsocket(self.connection)) else {
                    throw PostgresFailure(text: "the database did not answer within \(timeoutMs) ms")
                }
                guard unsafe PQconsumeInput(self.connection) == 1 else { throw self.failure }
            }
            guard let result = unsafe PQgetResult(self.connection) else { break }
            defer { unsafe PQclear(result) }
            switch unsafe PQresultStatus(result) {
            case PGRES_TUPLES_OK: rows += unsafe Self.rows(of: result)
            case PGRES_COMMAND_OK: ()
            default: failure = failure ?? (unsafe Self.failure(of: result))
            }
        }
        if let failure { throw failure }
        return rows
    }

    /// Why `text` is no address of a database, or holds what does not belong into a file; nil when it is one.
    static func problem(in text: String) -> String? {
        // libpq's own message may quote the text, and with it a password that was meant to be in it.
        guard let options = Self.options(of: text) else {
            return "is no address of a database; write postgresql://user@host:5432/name"
        }
        guard options["password"] == nil, options["sslpassword"] == nil else {
            return "holds a password; set password_env to an environment variable or password_file to a path"
        }
        return nil
    }

    /// What an address sets; nil when it is none.
    private static func options(of database: String) -> [String: String]? {
        guard let parsed = unsafe PQconninfoParse(database, nil) else { return nil }
        defer { unsafe PQconninfoFree(parsed) }
        var options: [String: String] = [:]
        var index = 0
        while let keyword = unsafe parsed[index].keyword {
            if let value = unsafe parsed[index].val {
                options[unsafe String(cString: keyword)] = unsafe String(cString: value)
            }
            index += 1
        }
        return options
    }

    /// What singles out each host of an address that has several; else nothing, once. Lists that do not fit together are
    /// left to libpq, which says so.
    static func hosts(of database: String) -> [[(String, String)]] {
        let options = Self.options(of: database) ?? [:]
        let lists = ["host", "hostaddr", "port"].compactMap { key in
            options[key].map { (key, $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)) }
        }
        let count = lists.filter { $0.0 != "port" }.map(\.1.count).max() ?? 1
        guard count > 1, lists.allSatisfy({ $0.1.count == count || $0.0 == "port" && $0.1.count == 1 }) else {
            return [[]]
        }
        return (0..<count).map { index in lists.map { ($0.0, $0.1.count == 1 ? $0.1[0] : $0.1[index]) } }
    }

    private static func start(_ parameters: [(String, String)]) -> OpaquePointer? {
        let keywords = CTexts(parameters.map(\.0))
        let values = CTexts(parameters.map(\.1))
        return unsafe withExtendedLifetime((keywords, values)) {
            // 1: the value of dbname may be a whole address; what comes after it wins.
            unsafe PQconnectStartParams(keywords.pointers, values.pointers, 1)
        }
    }

    private func send(_ query: String, _ values: [String]) -> Bool {
        // With values it is one statement only.
        guard !values.isEmpty else { return unsafe PQsendQuery(self.connection, query) == 1 }
        let texts = CTexts(values)
        return withExtendedLifetime(texts) {
            unsafe PQsendQueryParams(
                self.connection, query, Int32(values.count), nil, texts.pointers, nil, nil, 0) == 1
        }
    }

    private static func rows(of result: OpaquePointer) -> [[String?]] {
        let columns = unsafe PQnfields(result)
        let count = unsafe PQntuples(result)
        return (0..<count).map { row in
            (0..<columns).map { column in
                guard unsafe PQgetisnull(result, row, column) == 0,
                    let text = unsafe PQgetvalue(result, row, column)
                else { return nil }
                return unsafe String(cString: text)
            }
        }
    }

    private static func failure(of result: OpaquePointer) -> PostgresFailure {
        let text = unsafe PQresultErrorMessage(result).map { unsafe String(cString: $0) } ?? ""
        // 'C', the code of the condition.
        let state = unsafe PQresultErrorField(result, Int32(UInt8(ascii: "C"))).map { unsafe String(cString: $0) }
        return PostgresFailure(text: text.isEmpty ? "the database gave no reason" : text, sqlState: state)
    }

    private var failure: PostgresFailure {
        let text = unsafe PQerrorMessage(self.connection).map { unsafe String(cString: $0) } ?? ""
        return PostgresFailure(text: text.isEmpty ? "the database gave no reason" : text)
    }

    /// Waits for a socket, several times within one time.
    private struct Wait {
        private let clock = ContinuousClock()
        private let end: ContinuousClock.Instant

        init(timeoutMs: Int) {
            self.end = self.clock.now.advanced(by: .milliseconds(timeoutMs))
        }

        /// False when the time is over.
        mutating func until(_ events: Int32, on socket: Int32) -> Bool {
            while true {
                let left = (self.end - self.clock.now) / .milliseconds(1)
                guard left > 0, socket >= 0 else { return false }
                var polled = pollfd(fd: socket, events: Int16(events), revents: 0)
                let count = unsafe poll(&polled, 1, Int32(clamping: Int(left.rounded(.up))))
                if count > 0 { return true }
                guard count == 0 || errno == EINTR else { return false }
            }
        }
    }
}

/// Texts as C takes a list of them: pointers, and a null at the end. Freed with this object.
@safe private final class CTexts {
    let pointers: [UnsafePointer<CChar>?]

    init(_ texts: [String]) {
        unsafe self.pointers = texts.map { unsafe UnsafePointer(strdup($0)) } + [nil]
    }

    deinit {
        for index in unsafe self.pointers.indices {
            unsafe free(UnsafeMutablePointer(mutating: self.pointers[index]))
        }
    }
}
