import Testing
import Transport

@testable import homing

/// Which inherited socket takes the place of which listener.
@Suite struct SocketPlanTests {
    private static func listener(_ address: String, name: String? = nil) throws -> ListenerSettings {
        var settings = ListenerSettings(address: try Endpoint(parsing: address))
        settings.socketName = name
        return settings
    }

    private static func socket(
        _ descriptor: CInt, _ address: String, name: String = "", takesIPv4: Bool = false
    ) throws -> InheritedSocket {
        InheritedSocket(
            descriptor: descriptor, name: name, endpoint: try Endpoint(parsing: address), takesIPv4: takesIPv4)
    }

    @Test func `a socket takes the place of the listener with its address`() throws {
        let plan = SocketPlan(
            listeners: [try Self.listener("127.0.0.1:1"), try Self.listener("unix:/a"), try Self.listener("[::1]:2")],
            admin: try Endpoint(parsing: "127.0.0.1:9"),
            sockets: [
                try Self.socket(3, "[::1]:2"), try Self.socket(4, "127.0.0.1:9"), try Self.socket(5, "unix:/a"),
            ],
            predecessor: nil)
        #expect(plan.listeners.map { $0?.descriptor } == [nil, 5, 3] && plan.admin?.descriptor == 4)
        #expect(plan.problem == nil && plan.ownedFiles == [false, false, false])
    }

    @Test func `a name wins over an address, and admin is a name`() throws {
        let plan = SocketPlan(
            listeners: [try Self.listener("127.0.0.1:1", name: "b"), try Self.listener("127.0.0.1:2")],
            admin: try Endpoint(parsing: "127.0.0.1:9"),
            sockets: [
                try Self.socket(3, "127.0.0.1:1", name: "a"), try Self.socket(4, "127.0.0.1:2", name: "b"),
                try Self.socket(5, "127.0.0.1:7", name: "admin"),
            ],
            predecessor: nil)
        #expect(plan.listeners.map { $0?.descriptor } == [4, nil] && plan.admin?.descriptor == 5)
        #expect(plan.problem?.contains("127.0.0.1:1 (a)") == true)
    }

    @Test func `only a socket of all addresses that takes IPv4 is one for 0 0 0 0`() throws {
        let all = try Endpoint(parsing: "0.0.0.0:1")
        #expect(try Self.socket(3, "[::]:1", takesIPv4: true).serves(all))
        #expect(try !Self.socket(3, "[::]:1").serves(all))
        #expect(try !Self.socket(3, "[::]:2", takesIPv4: true).serves(all))
        #expect(try !Self.socket(3, "127.0.0.1:1").serves(all))
        #expect(try !Self.socket(3, "unix:/a").serves(all))
    }

    @Test func `a successor gets its sockets by what the old configuration called them`() throws {
        let said = [
            HandoverSocket(.listener, ownsFile: true, address: "unix:/a b"),
            HandoverSocket(.listener, ownsFile: false, address: "127.0.0.1:0"),
            HandoverSocket(.listener, ownsFile: false, address: "127.0.0.1:0"),
            HandoverSocket(.admin, ownsFile: false, address: "127.0.0.1:0"),
        ]
        let plan = SocketPlan(
            listeners: [
                try Self.listener("127.0.0.1:0"), try Self.listener("127.0.0.1:0"),
                try Self.listener("127.0.0.1:0"), try Self.listener("unix:/a b"),
            ],
            admin: try Endpoint(parsing: "127.0.0.1:0"),
            sockets: [
                try Self.socket(3, "unix:/a b"), try Self.socket(4, "127.0.0.1:50"),
                try Self.socket(5, "127.0.0.1:51"), try Self.socket(6, "127.0.0.1:52"),
            ],
            predecessor: said)
        #expect(plan.listeners.map { $0?.descriptor } == [4, 5, nil, 3] && plan.admin?.descriptor == 6)
        #expect(plan.ownedFiles == [false, false, false, true] && plan.spare.isEmpty)
    }

    @Test(arguments: ["listener own unix:/a b", "listener lent 127.0.0.1:0", "admin lent [::1]:9901"])
    func `what is said of a socket survives being written`(line: String) {
        #expect(HandoverSocket(line: line[...])?.line == line)
    }

    @Test(arguments: ["", "listener", "listener own", "listener mine unix:/a", "door own unix:/a"])
    func `what nobody says is no socket`(line: String) {
        #expect(HandoverSocket(line: line[...]) == nil)
    }

    @Test func `a watchdog is ours when it names us, or nobody`() throws {
        func watchdog(_ variables: [String: String]) throws -> UInt64? {
            try StartConditions(variables, pid: 7).watchdogUs
        }
        #expect(try watchdog(["WATCHDOG_USEC": "30"]) == 30)
        #expect(try watchdog(["WATCHDOG_USEC": "30", "WATCHDOG_PID": "7"]) == 30)
        #expect(try watchdog(["WATCHDOG_USEC": "30", "WATCHDOG_PID": "8"]) == nil)
        #expect(try watchdog(["WATCHDOG_USEC": "0"]) == nil)
        #expect(try watchdog(["WATCHDOG_USEC": "soon"]) == nil)
    }

    @Test func `a successor's environment is ours, with what is for it alone`() throws {
        let start = try StartConditions(["NOTIFY_SOCKET": "@here", "WATCHDOG_USEC": "30"], pid: 7)
        let said = [HandoverSocket(.listener, ownsFile: true, address: "unix:/a")]
        let own = ["HOME": "/h", "WATCHDOG_PID": "7", "LISTEN_FDNAMES": "old"]
        let variables = start.environment(from: own, sockets: said, names: ["listener"])
        #expect(
            variables == [
                "HOME": "/h", "NOTIFY_SOCKET": "@here", "WATCHDOG_USEC": "30", "LISTEN_FDS": "1", "LISTEN_PID": "",
                "LISTEN_FDNAMES": "listener", "HOMING_HANDOVER": "4",
                "HOMING_HANDOVER_SOCKETS": "listener own unix:/a",
            ])
    }
}
