extension ClusterSnapshot {
    /// Who waits for a replica, and whether there are enough of them, in `/api/clusters`.
    package struct Queue: Sendable, Equatable, Codable {
        /// Streams that wait in the proxy.
        package var waiting: Int
        /// Streams that left a warm replica because it was too busy, in the last minute.
        package var divertsPerMinute: Int
        /// Work ÷ what the usable replicas can do, over the last minute; nil when nobody knows.
        package var saturation: Double?
        /// Replicas that would serve this; nil when nobody knows.
        package var replicasWanted: Int?

        package init(waiting: Int, divertsPerMinute: Int, saturation: Double?, replicasWanted: Int?) {
            self.waiting = waiting
            self.divertsPerMinute = divertsPerMinute
            self.saturation = saturation
            self.replicasWanted = replicasWanted
        }

        private enum CodingKeys: String, CodingKey {
            case waiting, saturation
            case divertsPerMinute = "diverts_per_minute"
            case replicasWanted = "replicas_wanted"
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(self.waiting, forKey: .waiting)
            try container.encode(self.divertsPerMinute, forKey: .divertsPerMinute)
            // Written by hand for these two: a synthesized one leaves nil out, and a reader then guesses.
            try container.encode(self.saturation, forKey: .saturation)
            try container.encode(self.replicasWanted, forKey: .replicasWanted)
        }
    }
}
