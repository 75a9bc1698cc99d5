package import Upstream
internal import Wire

/// Which cluster a stream belongs to: by its listener, by the model that it names, or the first one.
package struct ClusterDirectory: Sendable {
    package let clusters: [Cluster]
    private let byModel: [[UInt8]: Int]

    package init(clusters: [Cluster]) {
        precondition(!clusters.isEmpty, "a proxy has at least one cluster")
        self.clusters = clusters
        var byModel: [[UInt8]: Int] = [:]
        for (position, cluster) in clusters.enumerated() {
            for model in cluster.settings.models { byModel[Array(model.utf8)] = position }
        }
        self.byModel = byModel
    }

    /// Whether the model that a request names decides where it goes, so that it must be read first.
    func needsModel(listenerCluster: Int?) -> Bool {
        if let listenerCluster { return !self.clusters[listenerCluster].settings.models.isEmpty }
        return !self.byModel.isEmpty
    }

    /// The cluster for a request that names `model`, or none (an empty span). Nil: no cluster serves that model.
    func cluster(for model: RawSpan, listenerCluster: Int?) -> Int? {
        let fallback = listenerCluster ?? 0
        guard !model.isEmpty, !self.byModel.isEmpty else { return fallback }
        let named = self.byModel[model.copied]
        if let named, listenerCluster == nil || listenerCluster == named { return named }
        // A cluster without a list of models serves any; workers check the identity themselves.
        return named == nil && self.clusters[fallback].settings.models.isEmpty ? fallback : nil
    }
}
