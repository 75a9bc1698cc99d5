/// How long a replica of reference speed takes to prefill: seconds = overhead + perUnit · uncached + perPair · attended,
/// learned by recursive least squares with forgetting. Every sample counts by its relative error, so that short
/// prompts teach as much as long ones.
///
/// Starts from a guess that it hardly believes: a guess ten times wrong is gone after a handful of samples.
public struct ServiceModel: Sendable {
    /// Seconds per prompt, per unit of `Work.uncached`, per unit of `Work.attended`. Never negative.
    public private(set) var coefficients: InlineArray<3, Double>
    /// How certain they are, as in any least squares; symmetric.
    private var covariance: InlineArray<3, InlineArray<3, Double>>
    /// Typical relative error of a prediction.
    public private(set) var relativeError = 0.3
    public private(set) var samples = 0

    /// How much of the past a new sample leaves: the last few hundred count.
    private static let memory = 0.997
    /// Below this a duration is noise, in seconds.
    private static let shortest = 0.01

    /// - Parameter secondsPerToken: the guess to start from; a token is taken for four bytes.
    public init(overheadSeconds: Double, secondsPerToken: Double) {
        let perUnit = secondsPerToken * Work.unit / 4
        self.coefficients = [overheadSeconds, perUnit, 0]
        self.covariance = [
            [Self.doubt(max(overheadSeconds, 0.02) * 3), 0, 0],
            [0, Self.doubt(perUnit * 10), 0],
            [0, 0, Self.doubt(perUnit * 0.02)],
        ]
    }

    /// Seconds for `work` at reference speed. Inlined, or the whole model would be copied for three products.
    @inline(__always)
    public func seconds(_ work: Work) -> Double {
        self.coefficients[0] * work.prompts + self.coefficients[1] * work.uncached
            + self.coefficients[2] * work.attended
    }

    /// The bytes that must have been computed for the prompt to take `seconds`, at most all.
    public func uncachedBytes(promptBytes: Int, seconds: Double) -> Int {
        // attended = u·(p − u/2): a quadratic in u, solved by halving, as it only grows.
        var low = 0
        var high = promptBytes
        while high - low > 64 {
            let middle = (low + high) / 2
            if self.seconds(Work(promptBytes: promptBytes, cachedBytes: promptBytes - middle)) < seconds {
                low = middle
            } else {
                high = middle
            }
        }
        return (low + high) / 2
    }

    /// Prompt bytes computed per second, of a prompt of a few thousand tokens.
    public var bytesPerSecond: Double { Work.unit / max(self.coefficients[1] + 4 * self.coefficients[2], 1e-9) }

    /// A prompt took this long, at reference speed. Returns observed ÷ predicted, as it was before learning.
    @discardableResult
    public mutating func learn(_ work: Work, seconds: Double) -> Double {
        let predicted = self.seconds(work)
        let ratio = max(seconds, Self.shortest / 10) / max(predicted, Self.shortest / 10)
        // A guess that is far too slow must not make the samples that contradict it look small.
        let scale = 1 / max(self.samples < 20 ? seconds : max(predicted, seconds), Self.shortest)
        let x: InlineArray<3, Double> = [work.prompts * scale, work.uncached * scale, work.attended * scale]
        var error = (seconds - predicted) * scale
        // Once the model is established, one odd sample moves it by no more than three typical errors.
        if self.samples >= 20 {
            let most = 3 * max(self.relativeError, 0.02)
            error = min(max(error, -most), most)
        }
        self.update(x, error)
        self.samples += 1
        let gain = max(0.02, 1 / Double(self.samples + 3))
        self.relativeError += gain * (min(abs(error), 1) - self.relativeError)
        return ratio
    }

    /// The reference replica is now one whose durations are `factor` times as long.
    public mutating func rescale(_ factor: Double) {
        for row in 0..<3 {
            self.coefficients[row] *= factor
            for column in 0..<3 { self.covariance[row][column] *= factor * factor }
        }
    }

    private mutating func update(_ x: InlineArray<3, Double>, _ error: Double) {
        var x = x
        var (spread, total) = self.spread(x)
        // A coefficient that would become negative takes no part, so that the others explain the sample without it.
        for _ in 0..<2 {
            var isNegative = false
            for row in 0..<3 where x[row] != 0 && self.coefficients[row] + spread[row] / total * error < 0 {
                x[row] = 0
                isNegative = true
            }
            if !isNegative { break }
            (spread, total) = self.spread(x)
        }
        for row in 0..<3 {
            if x[row] != 0 {
                self.coefficients[row] = max(0, self.coefficients[row] + spread[row] / total * error)
            }
            for column in 0..<3 {
                let reduced = self.covariance[row][column] - spread[row] * spread[column] / total
                self.covariance[row][column] = reduced / Self.memory
            }
        }
        self.coefficients[1] = max(self.coefficients[1], 1e-6)
        // Without news in some direction its doubt would grow for ever.
        for row in 0..<3 { self.covariance[row][row] = min(self.covariance[row][row], 1e6) }
    }

    private func spread(_ x: InlineArray<3, Double>) -> (InlineArray<3, Double>, Double) {
        var spread = InlineArray<3, Double>(repeating: 0)
        var total = Self.memory
        for row in 0..<3 {
            for column in 0..<3 { spread[row] += self.covariance[row][column] * x[column] }
            total += x[row] * spread[row]
        }
        return (spread, total)
    }

    /// Variance of a coefficient that may be off by `amount`, in units of the noise of a sample (a tenth).
    private static func doubt(_ amount: Double) -> Double { amount * amount / 0.01 }
}
