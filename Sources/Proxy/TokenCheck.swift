public import Wire

/// Which tokens a listener takes. Several, so that an old one goes on while callers get the new one.
public struct TokenCheck: Sendable {
    /// None: every caller is let in.
    private let tokens: BearerTokens

    /// - Parameter tokens: none at all means that every caller is let in.
    public init(_ tokens: [BearerToken] = []) { self.init(BearerTokens(tokens)) }

    /// - Parameter tokens: may be exchanged later.
    public init(_ tokens: BearerTokens) { self.tokens = tokens }

    /// Why a caller is not let in; nil when it is. Says the same as a worker would.
    func refusal(of headers: HeaderBlock) -> LocalReply.Cause? {
        guard !self.tokens.isEmpty else { return nil }
        let tokens = self.tokens.current
        switch headers.count(of: .authorization) {
        case 0: return .missingToken
        case 1: ()
        // Which one a worker would look at is anybody's guess.
        default: return .malformedToken
        }
        return headers.withValue(.authorization) { value in
            guard BearerToken.hasScheme(value) else { return .malformedToken }
            // Every token is compared, so that the time does not tell which one was right.
            var isKnown = false
            for token in tokens where token.matches(value) { isKnown = true }
            return isKnown ? nil : .wrongToken
        } ?? nil
    }
}
