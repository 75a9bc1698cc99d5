import Transport

/// What whoever started this process gave it: sockets that listen already, a service manager to report to, a process whose
/// place it takes.
struct StartConditions: Sendable {
    var sockets: [InheritedSocket] = []
    /// The process whose place this one takes.
    var predecessor: Predecessor?
    /// `NOTIFY_SOCKET`; nil when nobody wants to hear.
    var notifyPath: String?
    /// Within this time the service manager wants to hear from us again and again. Nil: never.
    var watchdogUs: UInt64?

    private static let notify = "NOTIFY_SOCKET"
    private static let watchdog = "WATCHDOG_USEC"
    private static let watchdogPid = "WATCHDOG_PID"
    private static let sockets = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]
    private static let names = [Self.notify, Self.watchdog, Self.watchdogPid] + Self.sockets + Predecessor.names

    /// Reads the environment, and clears it of what no child may take for its own. Throws when an inherited socket is
    /// none that can be listened on.
    static func take() throws(InheritedSocket.Problem) -> Self {
        try Self(ProcessEnvironment.take(self.names), pid: ProcessEnvironment.pid)
    }

    init() {}

    init(_ variables: [String: String], pid: CInt) throws(InheritedSocket.Problem) {
        self.predecessor = Predecessor(variables)
        self.notifyPath = variables[Self.notify]
        if (variables[Self.watchdogPid] ?? "\(pid)") == "\(pid)" {
            self.watchdogUs = variables[Self.watchdog].flatMap { UInt64($0) }.flatMap { $0 > 0 ? $0 : nil }
        }
        self.sockets = try InheritedSocket.all(by: variables, pid: pid)
    }

    /// The environment of a process that takes our place.
    func environment(
        from own: [String: String], sockets: [HandoverSocket], names: [String]
    ) -> [String: String] {
        var variables = own.filter { !Self.names.contains($0.key) }
        variables[Self.notify] = self.notifyPath
        variables[Self.watchdog] = self.watchdogUs.map(String.init)
        variables["LISTEN_FDS"] = "\(sockets.count)"
        // The new process writes its own number there.
        variables["LISTEN_PID"] = ""
        variables["LISTEN_FDNAMES"] = names.joined(separator: ":")
        return variables.merging(Predecessor.variables(sockets)) { $1 }
    }
}

/// What the process that hands over says of one of its sockets.
struct HandoverSocket: Sendable, Equatable {
    enum Role: String, Sendable {
        case listener
        case admin
    }

    var role: Role
    /// Whether the file of a UNIX socket is ours to remove; if not, it is the service manager's.
    var ownsFile: Bool
    /// As its configuration says it: with port 0 where any port will do.
    var address: String

    init(_ role: Role, ownsFile: Bool, address: String) {
        self.role = role
        self.ownsFile = ownsFile
        self.address = address
    }

    /// Nil when it is no line of ours.
    init?(line: Substring) {
        let words = line.split(separator: " ", maxSplits: 2)
        guard words.count == 3, let role = Role(rawValue: String(words[0])), words[1] == "own" || words[1] == "lent"
        else { return nil }
        self.init(role, ownsFile: words[1] == "own", address: String(words[2]))
    }

    var line: String { "\(self.role.rawValue) \(self.ownsFile ? "own" : "lent") \(self.address)" }
}

/// The process whose place we take, and what it says of the sockets.
struct Predecessor: Sendable {
    let channel: HandoverChannel
    let sockets: [HandoverSocket]

    private static let channelName = "HOMING_HANDOVER"
    private static let socketsName = "HOMING_HANDOVER_SOCKETS"
    static let names = [Self.channelName, Self.socketsName]

    fileprivate init?(_ variables: [String: String]) {
        guard let descriptor = variables[Self.channelName].flatMap({ CInt($0) }), descriptor > 2 else { return nil }
        self.channel = HandoverChannel(descriptor)
        let lines = (variables[Self.socketsName] ?? "").split(separator: "\n")
        self.sockets = lines.compactMap { HandoverSocket(line: $0) }
    }

    /// The channel comes after the sockets.
    fileprivate static func variables(_ sockets: [HandoverSocket]) -> [String: String] {
        [
            self.channelName: "\(InheritedSocket.first + CInt(sockets.count))",
            self.socketsName: sockets.map(\.line).joined(separator: "\n"),
        ]
    }
}
