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

    /// An answer of our own begins, of messages that are sent one by one.
    private func beginMessages() {
        self.phase = .replied
        self.status = .ok
        guard self.isAttached else { return }
        self.respond(ended: false) { list in
            list.append(":status", 200)
            list.append("content-type", "application/grpc")
        }
        self.forgetHeldRequest()
    }

    /// It ends.
    func endMessages() { self.endBody(trailers: [("grpc-status", "0")]) }
}
