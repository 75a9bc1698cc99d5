/// Addresses as people write them, so that one that was found equals the same one in a file (RFC 5952).
enum DNSAddressText {
    /// - Parameter bytes: four.
    static func v4(_ bytes: ArraySlice<UInt8>) -> String {
        bytes.map(String.init).joined(separator: ".")
    }

    /// - Parameter bytes: sixteen.
    static func v6(_ bytes: ArraySlice<UInt8>) -> String {
        let octets = Array(bytes)
        let groups = stride(from: 0, to: octets.count - 1, by: 2).map { Int(octets[$0]) << 8 | Int(octets[$0 + 1]) }
        // The first of the longest runs of zeros, if it is of more than one group, becomes `::`.
        var longest = 0..<0
        var start = 0
        for index in 0...groups.count {
            guard index == groups.count || groups[index] != 0 else { continue }
            if index - start > max(longest.count, 1) { longest = start..<index }
            start = index + 1
        }
        func text(_ part: ArraySlice<Int>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard !longest.isEmpty else { return text(groups[...]) }
        return "\(text(groups[..<longest.lowerBound]))::\(text(groups[longest.upperBound...]))"
    }

    /// `address:port`, with the brackets that an IPv6 address needs.
    static func endpoint(_ address: String, port: Int) -> String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
