import Discovery

/// Answers of name servers: no answer, or records that mean something.
enum DNSFuzz {
    static func run(_ input: [UInt8]) {
        guard let message = DNSMessage(input) else { return }
        promise(message.records.isEmpty || message.ttlSeconds != nil, "records hold for some time")
        promise((message.ttlSeconds ?? 0) >= 0, "and not for less than none")
        for record in message.records {
            switch record {
            case .address(let text):
                let isAddress = text.utf8.allSatisfy { "0123456789abcdef:.".utf8.contains($0) } && text.count > 1
                promise(isAddress, "an address looks like one: \(text)")
            case .service(let service):
                promise(!service.target.isEmpty && service.target.utf8.count < 255, "a target is a name")
                promise((0...65_535).contains(service.port), "a port is one")
            }
        }
    }
}
