import Proxy
import TestSupport
import Testing
import Upstream
import Wire

/// Who may call, and what replicas are told.
@Suite struct TokenCheckTests {
    private static let predict = "/backend.Backend/Predict"

    private static func guarded(_ plan: inout Fleet.Plan) {
        plan.access.tokens = TokenCheck([
            BearerToken("new", from: .environment("A")), BearerToken("older", from: .file("/b")),
        ])
    }

    private static func authorization(_ values: String...) -> ScriptedAnswer.Fields {
        values.map { (name: "authorization", value: $0) }
    }

    private static func seen(_ call: ScriptedWorker.Call?) -> [String] {
        (call?.headers ?? []).filter { $0.name == "authorization" }.map(\.value)
    }

    @Test func `each of the tokens lets a caller in, and nothing else does`() async throws {
        try await Fleet.run(.healthy, plan: Self.guarded) { fleet in
            let body = Fleet.predictBody("a")
            for token in ["new", "older"] {
                let result = try await fleet.call(Self.predict, body, headers: Self.authorization("Bearer \(token)"))
                #expect(result.status == .ok, "\(token)")
            }
            let refused: [(ScriptedAnswer.Fields, String)] = [
                ([], "missing authorization header"),
                (Self.authorization("Bearer wrong"), "invalid token"),
                (Self.authorization("Bearer newolder"), "invalid token"),
                (Self.authorization("bearer new"), "not a Bearer token"),
                (Self.authorization("new"), "not a Bearer token"),
                (Self.authorization("Bearer new", "Bearer new"), "not a Bearer token"),
            ]
            for (headers, text) in refused {
                for path in [Self.predict, "/backend.Backend/Health", "/unknown.Service/Method"] {
                    let result = try await fleet.call(path, body, headers: headers)
                    #expect(result.status == .unauthenticated && result.statusText == text, "\(path) \(text)")
                    #expect(result.closure == .completed)
                }
            }
            #expect(fleet[0].calls().count == 2)
            #expect(fleet.metric("homing_local_replies_total{cause=\"missing_token\"}") == 3)
            #expect(fleet.metric("homing_local_replies_total{cause=\"wrong_token\"}") == 6)
            #expect(fleet.metric("homing_local_replies_total{cause=\"malformed_token\"}") == 9)
        }
    }

    @Test func `without tokens everybody is let in, and what they say is passed on`() async throws {
        try await Fleet.run(.healthy) { fleet in
            let body = Fleet.predictBody("a")
            let headers = Self.authorization("Basic eDp5")
            for headers in [headers, []] {
                let result = try await fleet.call(Self.predict, body, headers: headers)
                #expect(result.status == .ok)
            }
            #expect(fleet[0].calls().map(Self.seen) == [["Basic eDp5"], []])
        }
    }

    @Test func `a token of the replicas replaces the caller's, also on the way to the next replica`() async throws {
        try await Fleet.run(
            .refusing, .refusing, .healthy,
            plan: { plan in
                plan.cluster.auth.token = BearerToken("ours", from: .environment("A"))
            }
        ) { fleet in
            let headers = Self.authorization("Bearer a", "Bearer b")
            let result = try await fleet.call(Self.predict, Fleet.predictBody("a"), headers: headers)
            #expect(result.status == .ok)
            for worker in 0..<3 {
                for call in fleet[worker].calls() { #expect(Self.seen(call) == ["Bearer ours"]) }
            }
        }
    }

    @Test func `a caller's token stays here when it is not to be passed on`() async throws {
        try await Fleet.run(.healthy, plan: { $0.cluster.auth.passThrough = false }) { fleet in
            let headers = Self.authorization("Bearer a") + [(name: "x-kept", value: "1")]
            let result = try await fleet.call(Self.predict, Fleet.predictBody("a"), headers: headers)
            #expect(result.status == .ok)
            let call = try #require(fleet[0].calls().first)
            #expect(Self.seen(call).isEmpty && call.headers.contains { $0.name == "x-kept" })
        }
    }
}
