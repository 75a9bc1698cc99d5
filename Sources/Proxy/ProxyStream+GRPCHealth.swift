import Connection
import Upstream
import Wire

/// `grpc.health.v1.Health`, answered from the state that the probers keep.
extension ProxyStream {
    func answerGRPCHealth(_ method: GRPCHealthMethod) {
        let services = self.proxyLoop.healthServices
        guard let message = self.heldMessage(), let request = try? HealthCheckRequest(decoding: message) else {
            return self.reply(LocalReply(.malformedRequest))
        }
        switch method {
        case .list: self.reply(message: services.all.encoded())
        case .check:
            guard let status = services.status(of: request.service) else {
                return self.reply(LocalReply(.unknownService))
            }
            self.reply(message: HealthCheckResponse(status).encoded())
        case .watch:
            self.beginMessages()
            self.proxyLoop.watchers.append(HealthWatcher(stream: self, service: request.service))
            self.proxyLoop.tellWatchers()
        }
    }
}
