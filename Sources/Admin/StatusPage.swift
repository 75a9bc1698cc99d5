/// The page at `/`: who the replicas are, how they do, where prompts go and why, live. It needs nothing but this port.
///
/// Its sources are the files in `Page`, which the build puts into the program, so that there is nothing to install
/// beside it. Everything that comes from outside (names, addresses, reasons) is put in as text, never as markup, and the
/// content security policy lets no script run but the page's own.
enum StatusPage {
    /// A fresh word of 26 characters for one answer, by which the browser knows the page's own script and style.
    static func nonce() -> String {
        var generator = SystemRandomNumberGenerator()
        let letters = Array("abcdefghijklmnopqrstuvwxyz234567")
        return String((0..<26).map { _ in letters[Int.random(in: 0..<32, using: &generator)] })
    }

    static func contentSecurityPolicy(nonce: String) -> String {
        "default-src 'none'; connect-src 'self'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; "
            + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }

    static func html(nonce: String) -> String { self.pieces.joined(separator: nonce) }

    /// The page, cut where its nonces go.
    private static let pieces: [String] = {
        let script = [PackageResources.live_js, PackageResources.facts_js, PackageResources.pictures_js]
        let page = Self.text(PackageResources.page_html)
            .replacing("{{style}}", with: Self.text(PackageResources.page_css))
            .replacing("{{script}}", with: script.map(Self.text).joined(separator: "\n"))
        return page.split(separator: "{{nonce}}", omittingEmptySubsequences: false).map(String.init)
    }()

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
