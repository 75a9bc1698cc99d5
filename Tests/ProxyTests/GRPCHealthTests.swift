import Proxy
import Routing
import TestSupport
import Testing
import Transport
import Wire

@testable import Upstream

/// `grpc.health.v1.Health` about the proxy.
@Suite struct GRPCHealthTests {
    private static func request(_ service: String) -> [UInt8] {
        var request = HealthCheckRequest()
        request.service = Array(service.utf8)
        return GRPCFrame.framed(request.encoded())
    }

    private func check(_ fleet: Fleet, _ service: String) async throws -> HealthCheckResponse.Status? {
        let result = try await fleet.caller().call("/grpc.health.v1.Health/Check", Self.request(service))
        guard result.status == .ok else { return nil }
        return try HealthCheckResponse(decoding: GRPCFrame.firstMessage(of: result.body) ?? []).status
    }

    @Test func `Check tells of the proxy and of each cluster`() async throws {
        try await Fleet.run(.healthy) { fleet in
            #expect(try await self.check(fleet, "") == .serving)
            #expect(try await self.check(fleet, "main") == .serving)
            fleet.cluster.connectionEvicted(fleet.replica(0), .connectFailed(.refused))
            #expect(try await self.check(fleet, "") == .notServing)
            #expect(try await self.check(fleet, "main") == .notServing)
            let unknown = try await fleet.caller().call("/grpc.health.v1.Health/Check", Self.request("nobody"))
            #expect(unknown.status == .notFound)
            #expect(fleet[0].calls().isEmpty, "no worker is asked")
        }
    }

    @Test func `a cluster that fails does not take the others' health with it`() async throws {
        var other = ClusterSettings()
        other.name = "other"
        other.replicas = [ReplicaSettings(address: Endpoint(.host("127.0.0.1", port: 1)))]
        try await Fleet.run(.healthy, plan: { [other] in $0.otherClusters = [other] }) { fleet in
            let second = fleet.directory.clusters[1]
            second.connectionEvicted(second.replicas[0], .connectFailed(.refused))
            #expect(try await self.check(fleet, "") == .serving)
            #expect(try await self.check(fleet, "other") == .notServing)
            let list = try await fleet.caller().call("/grpc.health.v1.Health/List", GRPCFrame.framed([]))
            let entries = try HealthListResponse(decoding: GRPCFrame.firstMessage(of: list.body) ?? []).entries
            #expect(entries.map { String(decoding: $0.service, as: UTF8.self) } == ["", "main", "other"])
            #expect(entries.map(\.status) == [.serving, .serving, .notServing])
        }
    }

    @Test func `Watch tells what is and every change, of a service that nobody knows as well`() async throws {
        try await Fleet.run(.healthy) { fleet in
            let caller = try await fleet.caller()
            let watch = await caller.start("/grpc.health.v1.Health/Watch")
            await watch.send(Self.request("main"))
            await watch.end()
            let serving = GRPCFrame.framed(HealthCheckResponse(.serving).encoded())
            let not = GRPCFrame.framed(HealthCheckResponse(.notServing).encoded())
            try await until("it is told") { await watch.soFar().body == serving }
            fleet.cluster.connectionEvicted(fleet.replica(0), .connectFailed(.refused))
            try await until("the change is told") { await watch.soFar().body == serving + not }
            fleet.cluster.probed(fleet.replica(0), .alive, latencyNs: 1)
            try await until("and back") { await watch.soFar().body == serving + not + serving }
            let unknown = await caller.start("/grpc.health.v1.Health/Watch")
            await unknown.send(Self.request("nobody"))
            await unknown.end()
            let told = GRPCFrame.framed(HealthCheckResponse(.serviceUnknown).encoded())
            try await until("it is unknown") { await unknown.soFar().body == told }
            await unknown.cancel()
            await fleet.startDrain()
            try await until("a drain is told") { await watch.soFar().body == serving + not + serving + not }
            await fleet.finishDrain()
            let end = try await watch.result()
            #expect(end.status == .ok, "a watch does not hold a drain up")
        }
    }
}
