import Synchronization

/// Which model the cluster is there for, and replicas that turn out to serve another one.
extension Cluster {
    /// The model of the last LoadModel; nil when there was none, or it was freed.
    func expect(model: [UInt8]?) {
        self.state.withLock { state in
            state.expectedModel = model
            state.remembersModel = model != nil
        }
    }

    var expectedModel: [UInt8]? { self.state.withLock { $0.expectedModel } }

    /// Whether a caller is right to expect `model` here, as far as anybody said.
    public func isFor(_ model: [UInt8]) -> Bool {
        guard !model.isEmpty else { return false }
        return self.expectedModel == model || self.settings.models.contains { Array($0.utf8) == model }
    }

    /// A stream that names `model` was refused with a mismatch, although the cluster is there for that model: the replica
    /// is somebody else's, and out until it says otherwise.
    public func foundAnother(_ replica: Replica, wanted model: [UInt8]) {
        self.state.withLock { state in
            if state.expectedModel == nil { state.expectedModel = model }
        }
        self.update(replica, why: "model identity mismatch") { $0.model = .another }
        self.wakeProber(of: replica)
    }
}
