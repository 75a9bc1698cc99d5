package import Transport

/// How the embedded worker behaves. The command line of `homing worker` fills it.
///
/// Its speeds and its cache are simulated; what it says on the wire, and when, is what real workers were seen to do.
package struct WorkerSettings: Sendable, Equatable {
    /// Address to serve on; port 0 lets the system choose.
    package var listen = Endpoint(.host("127.0.0.1", port: 50_052))
    /// Model that is loaded from the start. Nil waits for a LoadModel, as a real worker does.
    package var model: String?
    /// Requests that run side by side when LoadModel's options do not say `parallel:N`; further ones wait. At least 1.
    package var slots = 1
    /// Tokens of a prompt that are computed per second, one prompt after the other. Zero computes them at once. The
    /// default is what llama.cpp's worker was seen to do on a CPU: 4,000 tokens of cold prompt take 2.7 seconds.
    package var prefillTokensPerSecond = 1_500.0
    /// Tokens that each slot generates per second. Zero generates them at once.
    package var decodeTokensPerSecond = 50.0
    /// Tokens that the KV cache holds, least recently used ones leave first. Zero caches nothing.
    package var cacheTokens = 200_000
    /// Longest prompt with its answer in tokens, when LoadModel gives no context size. At least 1.
    package var contextTokens = 32_768
    /// Tokens of an answer when the request does not limit them; a real worker would go on without end. At least 1.
    package var defaultAnswerTokens = 16
    /// Whether Health waits for the Predicts that came before it, as on workers with a single thread.
    package var healthBehindPredict = false
    /// How long LoadModel takes. Health answers meanwhile.
    package var loadTimeMs = 0
    /// Whether a LoadModel that meets a running request or another LoadModel kills the process, as it does real
    /// workers. Otherwise what was running fails and the new model is loaded.
    package var diesOfUnsafeLoad = false
    /// How long open calls may go on after SIGTERM. A real worker goes silent instead, which helps nobody.
    package var stopLimitMs = 5_000
    /// Token that every call must carry as `authorization: Bearer TOKEN`. Nil asks for none.
    package var authToken: String?

    package init() {}
}
