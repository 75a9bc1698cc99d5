/// When a replica that answers probes is taken out all the same, because of what its streams tell. Configuration section
/// `clusters[].outlier`.
public struct OutlierSettings: Sendable, Equatable {
    /// Streams in a row that failed on their way (no connection, lost, refused, reset, no gRPC) and eject their replica.
    /// Zero: none do.
    public var consecutiveFailures = 5
    /// Share of a replica's streams in the window that must have failed, or ended with INTERNAL, UNKNOWN, UNAVAILABLE or
    /// DATA_LOSS, to eject it; and three times the share of its siblings, since a bad request is bad everywhere. Above 1:
    /// never.
    public var errorShare = 0.5
    /// A replica whose median first response is this many times that of its siblings, and `latencyExcessMs` more, is
    /// ejected. Zero: none is.
    public var latencyFactor = 10.0
    public var latencyExcessMs = 2_000
    /// What is looked at: the streams of this long, in two halves.
    public var windowMs = 30_000
    /// Streams in the window below which nothing is concluded about a replica's shares and medians. At least 1.
    public var minStreams = 20
    /// How long the first ejection lasts; the n-th in a row lasts n times as long, up to `maxEjectionMs`, and up to a
    /// fifth longer at random.
    public var baseEjectionMs = 5_000
    public var maxEjectionMs = 300_000
    /// Share of a cluster's replicas that may be out, for whatever reason, when one is ejected. When more are out,
    /// ejections are not heeded: a few bad replicas are better than too few. 0 to 1.
    public var maxEjectedShare = 0.5

    public init() {}
}
