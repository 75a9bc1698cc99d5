import Admin
import Foundation
import NIOCore
import ServiceLifecycle
import Synchronization
import Testing

/// The API of the recent past, and who may use the port.
@Suite struct AdminApiTests {
    @Test func `decisions are JSON with every field, null for what is not known`() async throws {
        try await AdminHouse.open { house in
            let answer = try await house.ask("/api/decisions")
            #expect(
                answer.body
                    == #"{"decisions":[{"candidate_count":2,"candidates":[{"in_flight":1,"matched_share":0.75,"#
                    + #""replica":"a"},{"in_flight":0,"matched_share":null,"replica":"b"}],"cluster":"chat","#
                    + #""diverted":false,"expected_ms":80.5,"id":"0-7","matched_bytes":3072,"matched_share":0.75,"#
                    + #""method":"PredictStream","observed_ms":null,"prompt_bytes":4096,"reason":"prefix_match","#
                    + #""replica":"a","retries":0,"unix_ms":1762000000000}]}"# + "\n")
            let read = try JSONDecoder().decode(DecisionList.self, from: Data(answer.body.utf8))
            #expect(read == DecisionList(decisions: [.warm]))
        }
    }

    @Test func `events come newest first, and only those after one that is known`() async throws {
        try await AdminHouse.open { house in
            let all = try JSONDecoder().decode(EventList.self, from: Data(try await house.ask("/api/events").body.utf8))
            #expect(all.events.map(\.id) == [2, 1])
            let some = try await house.ask("/api/events?after=1&limit=5")
            #expect(some.body.contains(#""id":2"#) && !some.body.contains(#""id":1"#))
            #expect(try await house.ask("/api/events?limit=1").body.contains(#""id":2"#))
        }
    }

    @Test(arguments: [
        ("/api/decisions?limit=0", "limit_is_1_to_512"), ("/api/decisions?limit=513", "limit_is_1_to_512"),
        ("/api/events?limit=x", "limit_is_1_to_512"), ("/api/events?after=-1", "after_is_the_id_of_an_event"),
    ])
    func `a number out of its bounds is refused`(path: String, error: String) async throws {
        try await AdminHouse.open { house in
            let answer = try await house.ask(path)
            #expect(answer.status == 400 && answer.body == "{\"error\":\"\(error)\"}\n")
        }
    }

    @Test func `settings, history and log level are JSON`() async throws {
        try await AdminHouse.open { house in
            let config = try await house.ask("/api/config")
            #expect(
                config.body
                    == #"{"generation":1,"settings":{"clusters":[{"name":"chat","token":"<set>"}],"on":true,"#
                    + #""share":0.5,"threads":0,"tls":null}}"# + "\n")
            let level = try await house.ask("/api/log-level")
            #expect(level.body == #"{"log_level":"info"}"# + "\n")
            let history = try await house.ask("/api/history")
            #expect(
                history.body
                    == #"{"interval_ms":5000,"points":[{"replicas":[],"unix_ms":1762000000000},{"replicas":[{"#
                    + #""cluster":"chat","first_response_ms":null,"first_responses":0,"hits":1,"matched_bytes":100,"#
                    + #""picks":3,"prompt_bytes":200,"prompts":2,"replica":"a"}],"unix_ms":1762000005000}]}"# + "\n")
        }
    }

    @Test func `the schema is JSON and defines every answer`() async throws {
        try await AdminHouse.open { house in
            let answer = try await house.ask("/api/schema")
            let schema = try #require(
                try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any])
            let names = Set(try #require(schema["$defs"] as? [String: Any]).keys)
            #expect(
                names.isSuperset(of: [
                    "clusters", "replicas", "decisions", "events", "history", "config", "log-level", "stream", "error",
                ]))
        }
    }

    @Test func `the stream sends the whole state at once and ends with the server`() async throws {
        try await AdminHouse.open { house in
            let channel = try await house.connect()
            let text = try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(
                    ByteBuffer(string: "GET /api/stream HTTP/1.1\r\nHost: \(house.address)\r\n\r\n"))
                var received = ""
                for try await part in inbound {
                    received += String(buffer: part)
                    if received.contains("\n\n") { await house.services.triggerGracefulShutdown() }
                }
                return received
            }
            #expect(text.lowercased().contains("content-type: text/event-stream; charset=utf-8"))
            #expect(text.contains("event: state\ndata: {\"clusters\":["))
            #expect(text.contains(#""readiness":"ready","ready":true"#))
            #expect(text.hasSuffix("0\r\n\r\n"))
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `a reader of the stream that has stopped reading does not keep the server from ending`() async throws {
        try await AdminHouse.open { house in
            // More than the buffers of both ends take.
            house.source.state.withLock { $0.replicas = Array(repeating: .warm, count: 100_000) }
            let channel = try await house.connect()
            try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(
                    ByteBuffer(string: "GET /api/stream HTTP/1.1\r\nHost: \(house.address)\r\n\r\n"))
                var parts = inbound.makeAsyncIterator()
                _ = try await parts.next()
                await house.services.triggerGracefulShutdown()
                // The connection is open on this side, and most of the event unread, until the server has ended.
                await house.ended()
            }
        }
    }

    @Test func `asking for the head of the stream takes none of its 32 places`() async throws {
        try await AdminHouse.open { house in
            let channel = try await house.connect()
            try await channel.executeThenClose { inbound, outbound in
                let head = "HEAD /api/stream HTTP/1.1\r\nHost: \(house.address)\r\n\r\n"
                for _ in 0..<40 { try await outbound.write(ByteBuffer(string: head)) }
                var heads = ""
                for try await part in inbound {
                    heads += String(buffer: part)
                    if heads.components(separatedBy: "HTTP/1.1 200 OK").count > 40 { break }
                }
                #expect(!heads.contains("503"))
            }
        }
    }

    @Test func `a token opens everything but the probes and the empty page, which need none`() async throws {
        let access = AdminAccess { $0 == "Bearer right" }
        try await AdminHouse.open(access: access) { house in
            for path in ["/", "/live", "/ready", "/api/schema"] {
                #expect(try await house.ask(path).status == 200, "\(path)")
            }
            let guarded = [
                "/metrics", "/api/clusters", "/api/replicas", "/api/discovery", "/api/decisions", "/api/events",
                "/api/history",
                "/api/config", "/api/log-level",
            ]
            for path in guarded + ["/api/stream"] {
                let answer = try await house.ask(path)
                #expect(answer.status == 401 && answer.body == "{\"error\":\"token_required\"}\n", "\(path)")
                #expect(answer.headers["www-authenticate"] == "Bearer")
            }
            for path in guarded {
                let wrong = try await house.ask(path, headers: ["Authorization: Bearer wrong"])
                #expect(wrong.status == 401 && wrong.body == "{\"error\":\"wrong_token\"}\n", "\(path)")
                #expect(try await house.ask(path, headers: ["Authorization: Bearer right"]).status == 200, "\(path)")
            }
        }
    }

    @Test func `the log level changes with a token, to a level that there is`() async throws {
        @Sendable func put(_ house: AdminHouse, _ body: String, _ token: String) async throws -> Answer {
            try await house.ask(
                "/api/log-level", method: "PUT",
                headers: ["Authorization: Bearer \(token)", "Content-Length: \(body.utf8.count)"], body: body)
        }
        try await AdminHouse.open(access: AdminAccess { $0 == "Bearer right" }) { house in
            let wrong = try await put(house, #"{"log_level":"debug"}"#, "wrong")
            #expect(wrong.status == 401)
            #expect(house.source.logLevel == "info")
            let answer = try await put(house, #"{"log_level":"debug"}"#, "right")
            #expect(answer.status == 200 && answer.body == #"{"log_level":"debug"}"# + "\n")
            #expect(house.source.logLevel == "debug")
            let unknown = try await put(house, #"{"log_level":"loud"}"#, "right")
            #expect(unknown.status == 400 && unknown.body == "{\"error\":\"no_such_log_level\"}\n")
            let noJSON = try await put(house, "debug", "right")
            #expect(noJSON.status == 400 && noJSON.body == "{\"error\":\"body_is_not_a_log_level\"}\n")
            let other = try await house.ask("/live", method: "PUT", headers: ["Authorization: Bearer right"])
            #expect(other.status == 405)
        }
    }

    @Test func `nobody changes anything where there is no token`() async throws {
        try await AdminHouse.open { house in
            let answer = try await house.ask(
                "/api/log-level", method: "PUT", headers: ["Content-Length: 21"], body: #"{"log_level":"debug"}"#)
            #expect(answer.status == 403 && answer.body == "{\"error\":\"no_token_configured\"}\n")
            #expect(house.source.logLevel == "info")
        }
    }
}
