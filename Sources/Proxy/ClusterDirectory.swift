public import Upstream
internal import Wire

/// Which cluster a stream belongs to: by its listener, by the model or the authority that it names, or the default one.
public struct ClusterDirectory: Sendable {
    public let clusters: [Cluster]
    /// Position of the cluster for streams that name nothing.
    public let defaultCluster: Int
    /// Request metadata whose value is a model's name, in lower case; nil when there is none.
    let modelMetadataKey: [UInt8]?
    private let byModel: [[UInt8]: Int]
    /// By position, whether the cluster serves certain models only.
    private let listsModels: [Bool]
    private let byAuthority: [[UInt8]: Int]

    public init(clusters: [Cluster], defaultCluster: Int = 0, modelMetadataKey: String? = nil) {
        precondition(clusters.indices.contains(defaultCluster), "a proxy has at least one cluster")
        self.clusters = clusters
        self.defaultCluster = defaultCluster
        self.modelMetadataKey = modelMetadataKey.map { Array($0.lowercased().utf8) }
        var byModel: [[UInt8]: Int] = [:]
        var byAuthority: [[UInt8]: Int] = [:]
        var listsModels: [Bool] = []
        for (position, settings) in clusters.map(\.settings).enumerated() {
            listsModels.append(!settings.models.isEmpty)
            for model in settings.models { byModel[Array(model.utf8)] = position }
            for authority in settings.authorities { byAuthority[Array(authority.lowercased().utf8)] = position }
        }
        self.listsModels = listsModels
        self.byModel = byModel
        self.byAuthority = byAuthority
    }

    /// Whether the headers of a request can say where it goes.
    var looksAtHeaders: Bool { self.modelMetadataKey != nil || !self.byAuthority.isEmpty }

    /// The cluster that serves this `:authority`; one without a port in the settings is for every port. Nil: none does.
    func cluster(ofAuthority authority: RawSpan) -> Int? {
        guard !self.byAuthority.isEmpty else { return nil }
        let whole = authority.copied.map { (65...90).contains($0) ? $0 + 32 : $0 }
        if let found = self.byAuthority[whole] { return found }
        guard let colon = whole.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        return self.byAuthority[Array(whole[..<colon])]
    }

    /// Whether the model that a request names decides where it goes, so that it must be read first.
    func needsModel(listenerCluster: Int?) -> Bool {
        if let listenerCluster { return self.listsModels[listenerCluster] }
        return !self.byModel.isEmpty
    }

    /// The cluster for a request that names `model`, or none (an empty span). Nil: no cluster serves that model.
    /// - Parameter listenerCluster: the one that the listener, a header or the authority says.
    func cluster(for model: RawSpan, listenerCluster: Int?) -> Int? {
        let fallback = listenerCluster ?? self.defaultCluster
        guard !model.isEmpty, !self.byModel.isEmpty else { return fallback }
        let named = self.byModel[model.copied]
        if let named, listenerCluster == nil || listenerCluster == named { return named }
        // A cluster without a list of models serves any; workers check the identity themselves.
        return named == nil && !self.listsModels[fallback] ? fallback : nil
    }
}
