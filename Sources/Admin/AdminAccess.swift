/// Who may use the admin port: everybody, or those who bring a token in `authorization: Bearer TOKEN`.
///
/// `/live` and `/ready` answer everybody, since probes bring no token, and so does the status page, which holds no data
/// and asks its reader for the token.
package struct AdminAccess: Sendable {
    enum Refusal: String {
        case missing = "token_required"
        case wrong = "wrong_token"
        /// Changes need a token even where reading needs none.
        case noneConfigured = "no_token_configured"
    }

    /// Whether there are tokens at all.
    private let isGuarded: @Sendable () -> Bool
    private let accepts: @Sendable (String) -> Bool

    /// Everybody may read, nobody may change anything.
    package static let open = AdminAccess()

    private init() {
        self.isGuarded = { false }
        self.accepts = { _ in false }
    }

    /// - Parameters:
    ///   - isGuarded: whether there are tokens at all; asked for every request.
    ///   - accepts: whether the value of an `authorization` field is one of the tokens; takes as long for a wrong one as for
    ///     a right one.
    package init(
        isGuarded: @escaping @Sendable () -> Bool = { true }, accepts: @escaping @Sendable (String) -> Bool
    ) {
        self.isGuarded = isGuarded
        self.accepts = accepts
    }

    /// Nil when the request may go on.
    func refusal(of authorization: String?, changes: Bool) -> Refusal? {
        guard self.isGuarded() else { return changes ? .noneConfigured : nil }
        guard let authorization else { return .missing }
        return self.accepts(authorization) ? nil : .wrong
    }
}
