import Foundation
import Hummingbird
import NIOCore

/// The requests that change something. Who asks has been let in.
extension AdminResponder {
    func addReplica(_ request: Request) async -> Response {
        guard let body = try? await request.body.collect(upTo: Self.maxBodyBytes) else {
            return Self.error(.badRequest, "body_is_not_a_replica")
        }
        do throws(AdminRefusal) {
            let new = try NewReplica(Data(body.readableBytesView))
            let order = ReplicaOrder.add(address: new.address, weight: new.weight)
            return Self.json(try self.source.carryOut(order, cluster: new.cluster), status: .created)
        } catch {
            return Self.refused(error)
        }
    }

    /// - Parameter path: nil for paths that are none of a replica.
    func changeReplica(_ path: ReplicaPath?, _ request: Request) -> Response {
        guard let path else { return Self.error(.notFound, "no_such_path") }
        let cluster = request.uri.queryParameters["cluster"].map { String($0) }
        do throws(AdminRefusal) {
            switch path.verb {
            case .drain: return Self.json(try self.source.carryOut(.drain(path.name), cluster: cluster))
            case .undrain: return Self.json(try self.source.carryOut(.undrain(path.name), cluster: cluster))
            case nil:
                let now = request.uri.queryParameters["now"].map { String($0) }
                guard [nil, "", "true", "false"].contains(now) else {
                    throw AdminRefusal(.bad, "now_is_true_or_false", "now is true or false")
                }
                let order = ReplicaOrder.remove(path.name, now: now == "true" || now == "")
                // It goes on by itself from here.
                return Self.json(try self.source.carryOut(order, cluster: cluster), status: .accepted)
            }
        } catch {
            return Self.refused(error)
        }
    }

    func reload() async -> Response {
        let report = await self.source.reload()
        return Self.json(report, status: report.result == .failure ? .unprocessableContent : .ok)
    }

    private static func refused(_ refusal: AdminRefusal) -> Response {
        let status: HTTPResponse.Status =
            switch refusal.kind {
            case .bad: .badRequest
            case .unknown: .notFound
            case .conflict: .conflict
            }
        return self.json(AdminError(error: refusal.error, detail: refusal.detail), status: status)
    }
}
