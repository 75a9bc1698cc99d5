import Connection
import Transport
import Upstream
import Wire

/// The methods that the proxy answers itself.
extension ProxyStream {
    /// OK exactly when a replica answers; from the prober's state, so that it costs nothing however busy the workers are.
    func answerHealth() {
        let clusters = self.runtime.directory.clusters
        if let position = self.anchor {
            self.cluster = position
        } else {
            self.cluster = clusters.firstIndex { $0.answersHealth } ?? 0
        }
        guard let position = self.cluster, clusters[position].answersHealth else {
            return self.reply(LocalReply(.noReplica))
        }
        self.reply(message: Reply.healthy.encoded())
    }

    func answerLoadModel() {
        guard let message = self.heldMessage() else { return self.reply(LocalReply(.malformedRequest)) }
        guard let options = try? ModelOptions(decoding: message) else {
            return self.reply(LocalReply(.malformedRequest))
        }
        let named = options.model.withRawSpan {
            self.noteModel($0)
            return self.runtime.directory.cluster(for: $0, listenerCluster: self.anchor)
        }
        guard let position = named else { return self.reply(LocalReply(.unknownModel)) }
        self.cluster = position
        let models = self.runtime.models[position]
        self.answerLater {
            switch await models.load(message) {
            case .success(let text): .message(BackendResult(success: true, message: text).encoded())
            case .failure(let code, let text): .reply(LocalReply(.loadFailed, detail: text, code: code))
            case .malformed: .reply(LocalReply(.malformedRequest))
            }
        }
    }

    func answerFree() {
        let position = self.ownCluster
        switch self.runtime.sections[position].model.freeAction {
        case .answer: self.reply(message: BackendResult(success: true).encoded())
        case .forward, .unloadAll:
            let models = self.runtime.models[position]
            let drains = self.runtime.sections[position].model.freeAction == .unloadAll
            self.answerLater {
                switch await models.free(drains: drains) {
                case .success(let text): .message(BackendResult(success: true, message: text).encoded())
                case .failure(let code, let text): .reply(LocalReply(.freeFailed, detail: text, code: code))
                case .malformed: .reply(LocalReply(.malformedRequest))
                }
            }
        }
    }

    func answerStatus() {
        let fleet = self.runtime.models[self.ownCluster].fleet
        self.answerLater { .message(await fleet.status().encoded()) }
    }

    func answerMetrics() {
        let fleet = self.runtime.models[self.ownCluster].fleet
        self.answerLater {
            switch await fleet.metrics() {
            case .metrics(let metrics): .message(metrics.encoded())
            case .failed(let code, let text): .reply(LocalReply(.fleetCallFailed, detail: text, code: code))
            }
        }
    }

    /// StoresSet or StoresDelete, on every replica.
    func writeEverywhere() {
        guard let message = self.heldMessage(), let path = self.method?.path else {
            return self.reply(LocalReply(.malformedRequest))
        }
        let fleet = self.runtime.models[self.ownCluster].fleet
        self.answerLater {
            switch await fleet.write(path, message) {
            case .written(let answer): .message(answer)
            case .failed(let code, let text): .reply(LocalReply(.fleetCallFailed, detail: text, code: code))
            }
        }
    }

    /// The cluster that a call without a model is for. Sets it.
    private var ownCluster: Int {
        let position = self.anchor ?? self.runtime.directory.defaultCluster
        self.cluster = position
        return position
    }

    private enum LateAnswer: Sendable {
        case message([UInt8])
        case reply(LocalReply)
    }

    /// Runs `work` off the loop, then answers.
    private func answerLater(_ work: @escaping @Sendable () async -> LateAnswer) {
        self.runLater(work) { stream, answer in
            switch answer {
            case .message(let message): stream.reply(message: message)
            case .reply(let reply): stream.reply(reply)
            }
        }
    }

    func heldMessage() -> [UInt8]? {
        self.leg.withUnframedBody { held in
            GRPCFrame.firstMessage(of: held.copied)
        }
    }
}
