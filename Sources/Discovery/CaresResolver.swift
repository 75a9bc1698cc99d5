import CCares
import Glibc

/// Asks name servers through c-ares: over UDP, over TCP where an answer does not fit, and elsewhere when one server does
/// not answer.
///
/// This file is the one place that calls c-ares. Safe to use: channels and pointers never leave `CaresChannel`, which is
/// made for each round of questions (so that a changed `/etc/resolv.conf` is heeded) and lives on one thread.
package struct CaresResolver: NameResolver {
    private let nameservers: [String]
    private let timeoutMs: Int
    private let work = BlockingWork(label: "homing.discovery.dns")

    /// - Parameters:
    ///   - nameservers: `address:port`, IPv6 in brackets. None means those of the system, and its hosts file.
    ///   - timeoutMs: how long all answers to one round of questions may take together; at least 1.
    package init(nameservers: [String], timeoutMs: Int) {
        self.nameservers = nameservers
        self.timeoutMs = max(1, timeoutMs)
    }

    package func resolve(_ questions: [DNSQuestion]) async -> [DNSOutcome] {
        let (nameservers, timeoutMs) = (self.nameservers, self.timeoutMs)
        let outcomes = await self.work.run { () -> [DNSOutcome] in
            guard let channel = CaresChannel(nameservers: nameservers, timeoutMs: timeoutMs) else {
                return questions.map { _ in .failed("the resolver cannot be set up; are nameservers addresses?") }
            }
            return channel.resolve(questions)
        }
        return outcomes ?? questions.map { _ in .failed("cancelled") }
    }
}

/// One channel of c-ares, for one round of questions on one thread.
///
/// Safe to use: the pointer never leaves this class and is freed once, in deinit. Replies outlive the channel.
@safe private final class CaresChannel {
    private let channel: ares_channel
    private let timeoutMs: Int
    private let usesHostsFile: Bool
    /// c-ares keeps a pointer to each until it has called back.
    private var replies: [Reply] = []

    /// An answer up to this size needs no TCP, and is not fragmented on any usual path.
    private static let datagramBytes: Int32 = 1_232
    private static let isReady = ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS

    init?(nameservers: [String], timeoutMs: Int) {
        guard Self.isReady else { return nil }
        var options = unsafe ares_options()
        unsafe options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOALIASES
        unsafe options.ednspsz = Self.datagramBytes
        // The second attempt waits twice as long: three of them, and their servers, fit into the whole.
        unsafe options.timeout = Int32(clamping: max(50, timeoutMs / 6))
        unsafe options.tries = 3
        let given = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES
        var channel: ares_channel?
        guard unsafe ares_init_options(&channel, &options, given) == ARES_SUCCESS,
            let channel = unsafe channel
        else { return nil }
        unsafe self.channel = channel
        self.timeoutMs = timeoutMs
        self.usesHostsFile = nameservers.isEmpty
        guard !nameservers.isEmpty else { return }
        let text = nameservers.joined(separator: ",")
        guard unsafe ares_set_servers_ports_csv(channel, text) == ARES_SUCCESS else { return nil }
    }

    deinit {
        unsafe ares_destroy(self.channel)
    }

    func resolve(_ questions: [DNSQuestion]) -> [DNSOutcome] {
        let known = questions.map { self.usesHostsFile ? self.hostsFile($0) : nil }
        self.replies = questions.map { _ in Reply() }
        for (index, question) in questions.enumerated() where known[index] == nil {
            let reply = unsafe Unmanaged.passUnretained(self.replies[index]).toOpaque()
            // Relative names are looked for in the search domains, as the system's resolver does it.
            unsafe ares_search(self.channel, question.name, Self.internet, Int32(question.type.rawValue), took, reply)
        }
        self.waitForReplies()
        return questions.indices.map { known[$0] ?? Self.outcome(self.replies[$0], of: questions[$0].type) }
    }

    private static let internet: Int32 = 1

    /// Turns c-ares' wheels until every reply is there or the time is over.
    private func waitForReplies() {
        let clock = ContinuousClock()
        let end = clock.now.advanced(by: .milliseconds(self.timeoutMs))
        while true {
            var sockets = [ares_socket_t](repeating: 0, count: Int(ARES_GETSOCK_MAXNUM))
            let wanted = UInt32(
                bitPattern: unsafe ares_getsock(self.channel, &sockets, Int32(ARES_GETSOCK_MAXNUM)))
            guard wanted != 0 else { return }
            let left = Int32(clamping: Int(((end - clock.now) / .milliseconds(1)).rounded(.up)))
            guard left > 0 else {
                unsafe ares_cancel(self.channel)
                return
            }
            var polled: [pollfd] = []
            for (index, socket) in sockets.enumerated() {
                let reads = wanted & (1 << UInt32(index)) != 0
                let writes = wanted & (1 << UInt32(index + Int(ARES_GETSOCK_MAXNUM))) != 0
                guard reads || writes else { continue }
                let events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0)
                polled.append(pollfd(fd: socket, events: Int16(events), revents: 0))
            }
            // c-ares has timers of its own: for the next attempt, or the next server.
            var most = timeval(tv_sec: Int(left) / 1_000, tv_usec: Int(left) % 1_000 * 1_000)
            var next = timeval()
            var waitMs = left
            if let sooner = unsafe ares_timeout(self.channel, &most, &next) {
                waitMs = unsafe Int32(clamping: sooner.pointee.tv_sec * 1_000 + sooner.pointee.tv_usec / 1_000 + 1)
            }
            _ = unsafe poll(&polled, nfds_t(polled.count), min(waitMs, left))
            for one in polled where one.revents != 0 {
                // What is neither is an error, which reading finds out.
                let writes = one.revents & Int16(POLLOUT) != 0
                let reads = one.revents & ~Int16(POLLOUT) != 0
                unsafe ares_process_fd(
                    self.channel, reads ? one.fd : ARES_SOCKET_BAD, writes ? one.fd : ARES_SOCKET_BAD)
            }
            // Looks at the timers.
            unsafe ares_process_fd(self.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD)
        }
    }

    /// The addresses that the system's hosts file has for a name; nil when it has none.
    private func hostsFile(_ question: DNSQuestion) -> DNSOutcome? {
        let (family, length): (Int32, Int)
        switch question.type {
        case .a: (family, length) = (AF_INET, 4)
        case .aaaa: (family, length) = (AF_INET6, 16)
        case .srv: return nil
        }
        var host: UnsafeMutablePointer<hostent>?
        guard unsafe ares_gethostbyname_file(self.channel, question.name, family, &host) == ARES_SUCCESS,
            let host = unsafe host
        else { return nil }
        defer { unsafe ares_free_hostent(host) }
        guard unsafe host.pointee.h_addrtype == family, unsafe host.pointee.h_length == Int32(length),
            let list = unsafe host.pointee.h_addr_list
        else { return nil }
        var records: [DNSRecord] = []
        var index = 0
        while let address = unsafe list[index] {
            let bytes = (0..<length).map { unsafe UInt8(bitPattern: address[$0]) }
            records.append(.address(length == 4 ? DNSAddressText.v4(bytes[...]) : DNSAddressText.v6(bytes[...])))
            index += 1
        }
        return records.isEmpty ? nil : .records(records, ttlMs: nil)
    }

    private static func outcome(_ reply: Reply, of type: DNSType) -> DNSOutcome {
        guard let status = reply.status else { return .failed("no answer in time") }
        switch status {
        case ARES_SUCCESS:
            guard let message = DNSMessage(reply.bytes) else { return .failed("the answer is malformed") }
            let records = message.records.filter { $0.isOf(type) }
            return records.isEmpty ? .none : .records(records, ttlMs: message.ttlSeconds.map { $0 * 1_000 })
        case ARES_ENODATA: return .none
        case ARES_ENOTFOUND: return .nameUnknown
        case ARES_ETIMEOUT, ARES_ECANCELLED: return .failed("no answer in time")
        case ARES_ESERVFAIL: return .failed("the name server could not say (SERVFAIL)")
        case ARES_EREFUSED: return .failed("the name server refuses to say (REFUSED)")
        case ARES_ECONNREFUSED: return .failed("no name server can be reached")
        default: return .failed("the resolver says: \(unsafe String(cString: ares_strerror(status)))")
        }
    }
}

extension DNSRecord {
    fileprivate func isOf(_ type: DNSType) -> Bool {
        switch (self, type) {
        case (.address(let text), .a): !text.contains(":")
        case (.address(let text), .aaaa): text.contains(":")
        case (.service, .srv): true
        case (.address, .srv), (.service, .a), (.service, .aaaa): false
        }
    }
}

// MARK: - C entry points

/// What c-ares has said about one question.
private final class Reply {
    /// Nil until it has.
    var status: Int32?
    var bytes: [UInt8] = []
}

/// Records, and nothing else.
private let took: ares_callback = { argument, status, _, bytes, count in
    guard let argument = unsafe argument else { return }
    let reply = unsafe Unmanaged<Reply>.fromOpaque(argument).takeUnretainedValue()
    reply.status = status
    if let bytes = unsafe bytes, count > 0 {
        reply.bytes = unsafe Array(UnsafeBufferPointer(start: bytes, count: Int(count)))
    }
}
