import Admin
import Foundation
import NIOCore
import Synchronization
import Telemetry
import Testing

@Suite struct AdminServerTests {
    @Test func `live is said as long as the process answers`() async throws {
        try await AdminHouse.open { house in
            house.source.state.withLock { $0.readiness = .draining }
            let answer = try await house.ask("/live")
            #expect(answer.status == 200 && answer.body == "live")
            #expect(answer.headers["cache-control"] == "no-store")
            #expect(answer.headers["x-content-type-options"] == "nosniff")
            #expect(answer.headers["content-type"] == "text/plain; charset=utf-8")
        }
    }

    @Test(arguments: [
        (Readiness.serving, [1, 2], 200, "ready"),
        (.serving, [1, 0], 503, "not ready: no usable replica in c1"),
        (.serving, [0, 0], 503, "not ready: no usable replica in c0, c1"),
        (.serving, [], 503, "not ready: there is no cluster"),
        (.starting, [1], 503, "not ready: starting"),
        (.draining, [1], 503, "not ready: draining"),
    ])
    func `ready means serving with a usable replica in every cluster`(
        readiness: Readiness, usable: [Int], status: Int, body: String
    ) async throws {
        try await AdminHouse.open { house in
            house.source.state.withLock { state in
                state.readiness = readiness
                state.clusters = usable.enumerated().map { .chat("c\($0.offset)", usable: $0.element) }
            }
            let answer = try await house.ask("/ready")
            #expect(answer.status == status && answer.body == body)
        }
    }

    @Test func `metrics are the registry's text in its own media type`() async throws {
        try await AdminHouse.open { house in
            house.metrics.counter("homing_picks_total", help: "P?", labels: ["reason": "a\"b"]).add(3)
            let answer = try await house.ask("/metrics?format=any")
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(answer.body == house.metrics.exposition())
            #expect(answer.body.contains(#"homing_picks_total{reason="a\"b"} 3"#))
        }
    }

    @Test func `replicas are JSON with every field, null for what is not known`() async throws {
        try await AdminHouse.open { house in
            let answer = try await house.ask("/api/replicas")
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "application/json")
            #expect(
                answer.body
                    == #"{"replicas":[{"address":"10.0.0.1:50052","cached_blocks":512,"cluster":"chat","#
                    + #""drain":null,"estimates":null,"evictions":2,"#
                    + #""id":"a","in_flight":3,"last_probe":{"age_ms":900,"latency_ms":1.5,"outcome":"alive"},"#
                    + #""max_in_flight":null,"model_loaded":true,"origins":["static"],"picks":40,"since_ms":61000,"state":"ready","usable":true,"weight":1,"#
                    + #""why":"probe answered"},{"address":"10.0.0.2:50052","cached_blocks":0,"cluster":"chat","#
                    + #""drain":null,"estimates":null,"evictions":0,"id":"b\"</script>","in_flight":0,"last_probe":null,"#
                    + #""max_in_flight":null,"model_loaded":null,"origins":["static"],"#
                    + #""picks":0,"since_ms":0,"state":"joining","usable":false,"weight":1,"why":""}]}"# + "\n")
            let read = try JSONDecoder().decode(ReplicaList.self, from: Data(answer.body.utf8))
            #expect(read == ReplicaList(replicas: [.warm, .fresh]))
        }
    }

    @Test func `clusters are JSON with every field`() async throws {
        try await AdminHouse.open { house in
            let answer = try await house.ask("/api/clusters")
            #expect(
                answer.body
                    == #"{"clusters":[{"in_flight":3,"index_blocks":512,"model_remembered":true,"#
                    + #""models":["llama-3","org/llama"],"name":"chat","picks":40,"policy":"prefix_cache","#
                    + #""queue":{"diverts_per_minute":0,"replicas_wanted":null,"saturation":null,"waiting":0},"#
                    + #""replicas":2,"usable_replicas":1}]}"# + "\n")
            let read = try JSONDecoder().decode(ClusterList.self, from: Data(answer.body.utf8))
            #expect(read == ClusterList(clusters: [.chat(usable: 1)]))
        }
    }

    @Test func `a number that JSON cannot write is an error and not the end`() async throws {
        try await AdminHouse.open { house in
            house.source.state.withLock { $0.replicas[0].lastProbe?.latencyMs = .nan }
            let answer = try await house.ask("/api/replicas")
            #expect(answer.status == 500 && answer.body == "{\"error\":\"not_encodable\"}\n")
            #expect(try await house.ask("/live").status == 200)
        }
    }

    @Test func `the status page stands alone and runs no script but its own`() async throws {
        try await AdminHouse.open { house in
            let first = try await house.ask("/")
            let again = try await house.ask("/")
            #expect(first.status == 200)
            #expect(first.headers["content-type"] == "text/html; charset=utf-8")
            let policy = try #require(first.headers["content-security-policy"])
            #expect(policy.hasPrefix("default-src 'none'; connect-src 'self'; script-src 'nonce-"))
            #expect(policy != again.headers["content-security-policy"])
            let nonce = try #require(policy.firstMatch(of: /script-src 'nonce-([a-z0-9]+)'/)).1
            #expect(first.body.contains("<script nonce=\"\(nonce)\">"))
            #expect(first.body.hasPrefix("<!doctype html>") && first.body.hasSuffix("</html>\n"))
            #expect(!first.body.contains("http://") && !first.body.contains("https://"))
            #expect(!first.body.contains("innerHTML"))
        }
    }

    @Test(arguments: ["/", "/live", "/ready", "/metrics", "/api/clusters", "/api/replicas"])
    func `HEAD has the head of GET and no body`(path: String) async throws {
        try await AdminHouse.open { house in
            let get = try await house.ask(path)
            let head = try await house.ask(path, method: "HEAD")
            #expect(get.status == 200 && head.status == 200)
            #expect(head.body.isEmpty && !get.body.isEmpty)
            #expect(head.headers["content-length"] == String(get.body.utf8.count))
            #expect(head.headers["content-type"] == get.headers["content-type"])
        }
    }

    @Test func `another path is 404 and another method is 405, both as JSON`() async throws {
        try await AdminHouse.open { house in
            for path in ["/nothing", "/live/", "/api", "//", "/%00", "/../live"] {
                let answer = try await house.ask(path)
                #expect(answer.status == 404 && answer.body == "{\"error\":\"no_such_path\"}\n", "\(path)")
                #expect(answer.headers["content-type"] == "application/json")
            }
            for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
                let answer = try await house.ask("/live", method: method, headers: ["Content-Length: 2"], body: "{}")
                #expect(answer.status == 405 && answer.body == "{\"error\":\"method_not_allowed\"}\n", "\(method)")
                #expect(answer.headers["allow"] == "GET, HEAD")
            }
        }
    }

    @Test func `one connection carries many requests`() async throws {
        try await AdminHouse.open { house in
            let one = "GET /live HTTP/1.1\r\nHost: \(house.address)\r\nContent-Length: 4\r\n\r\nbody"
            let last = "GET /nothing HTTP/1.1\r\nHost: \(house.address)\r\nConnection: close\r\n\r\n"
            let answer = try await house.send(one + one + last)
            #expect(answer.status == 200)
            #expect(answer.body.components(separatedBy: "HTTP/1.1 200 OK").count == 2)
            #expect(answer.body.components(separatedBy: "HTTP/1.1 404 Not Found").count == 2)
        }
    }
}
