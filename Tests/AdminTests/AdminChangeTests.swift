import Foundation
import Synchronization
import Testing

@testable import Admin

/// Requests that change something.
@Suite struct AdminChangeTests {
    private static let guarded = AdminAccess { $0 == "Bearer right" }
    private static let token = "Authorization: Bearer right"

    private static func open(_ body: @escaping @Sendable (AdminHouse) async throws -> Void) async throws {
        try await AdminHouse.open(access: self.guarded, body)
    }

    private static func post(_ house: AdminHouse, _ path: String, _ body: String = "") async throws -> Answer {
        try await house.ask(
            path, method: "POST", headers: [self.token, "Content-Length: \(body.utf8.count)"], body: body)
    }

    @Test func `orders reach the source with all that they say`() async throws {
        try await Self.open { house in
            let added = try await Self.post(house, "/api/replicas", #"{"address":"h:1","weight":3,"cluster":"chat"}"#)
            #expect(added.status == 201)
            #expect(
                added.body == #"{"cluster":"chat","id":"a","in_flight":3,"origins":["api"],"result":"added"}"# + "\n")
            #expect(try await Self.post(house, "/api/replicas", #"{"address":"h:1","weight":null}"#).status == 201)
            #expect(try await Self.post(house, "/api/replicas/h:1/drain").status == 200)
            #expect(try await Self.post(house, "/api/replicas/unix%3A%2Frun%2Fw/undrain?cluster=x").status == 200)
            for query in ["", "?now=true", "?now=false&cluster=x"] {
                let removed = try await house.ask("/api/replicas/h:1" + query, method: "DELETE", headers: [Self.token])
                #expect(removed.status == 202)
            }
            let orders = house.source.state.withLock { $0.orders }
            #expect(
                orders.map(\.order) == [
                    .add(address: "h:1", weight: 3), .add(address: "h:1", weight: 1), .drain("h:1"),
                    .undrain("unix:/run/w"), .remove("h:1", now: false), .remove("h:1", now: true),
                    .remove("h:1", now: false),
                ])
            #expect(orders.map(\.cluster) == ["chat", nil, nil, "x", nil, nil, "x"])
        }
    }

    @Test(arguments: [(AdminRefusal.Kind.bad, 400), (.unknown, 404), (.conflict, 409)])
    func `a refusal has a status, a word and a sentence`(kind: AdminRefusal.Kind, status: Int) async throws {
        try await Self.open { house in
            house.source.state.withLock { $0.refusal = AdminRefusal(kind, "word", "a sentence") }
            let answer = try await Self.post(house, "/api/replicas/h:1/drain")
            #expect(answer.status == status)
            #expect(answer.body == #"{"detail":"a sentence","error":"word"}"# + "\n")
        }
    }

    @Test func `a reload says what became of it, and by its status whether it failed`() async throws {
        try await Self.open { house in
            let unchanged = try await Self.post(house, "/api/reload")
            #expect(unchanged.status == 200)
            #expect(
                unchanged.body
                    == #"{"changed":[],"generation":1,"problems":[],"replicas":[],"restart_required":[],"#
                    + #""result":"unchanged"}"# + "\n")
            house.source.state.withLock {
                $0.report = ReloadReport(
                    result: .failure, generation: 1, problems: [.init(path: "threads", line: nil, text: "is odd")])
            }
            let failed = try await Self.post(house, "/api/reload")
            #expect(failed.status == 422 && failed.body.contains(#""error":"settings_have_problems""#))
            #expect(failed.body.contains(#""problems":[{"line":null,"path":"threads","text":"is odd"}]"#))
        }
    }

    @Test func `nothing is changed without a token`() async throws {
        for (access, status) in [(Self.guarded, 401), (AdminAccess.open, 403)] {
            try await AdminHouse.open(access: access) { house in
                for (method, path) in [
                    ("POST", "/api/replicas"), ("POST", "/api/reload"), ("POST", "/api/replicas/a/drain"),
                    ("POST", "/api/replicas/a/undrain"), ("DELETE", "/api/replicas/a"),
                ] {
                    let answer = try await house.ask(path, method: method)
                    #expect(answer.status == status)
                }
                #expect(house.source.state.withLock { $0.orders.isEmpty })
            }
        }
    }

    @Test func `a path names one replica, and what is to be done with it`() {
        #expect(ReplicaPath("/api/replicas/h:1")?.name == "h:1" && ReplicaPath("/api/replicas/h:1")?.verb == nil)
        #expect(ReplicaPath("/api/replicas/%5B::1%5D:5/drain")?.name == "[::1]:5")
        #expect(ReplicaPath("/api/replicas/a/undrain")?.verb == .undrain)
        for path in [
            "/api/replicas", "/api/replicas/", "/api/replicas//drain", "/api/replicas/a/b", "/api/replicas/a/drain/",
            "/api/clusters/a", "api/replicas/a", "/api/replicas/%GG", "",
        ] {
            #expect(ReplicaPath(path) == nil, "\(path)")
        }
    }
}
