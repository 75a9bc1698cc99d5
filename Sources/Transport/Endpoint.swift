package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable { case host(String, port: Int); case unix(String) }
    package let kind: Kind
    package init(_ kind: Kind) { self.kind = kind }
    package var description: String {
        switch kind { case .host(let h, let p): h.contains(":") ? "[\(h)]:\(p)" : "\(h):\(p)"; case .unix(let p): "unix:\(p)" }
    }
}
