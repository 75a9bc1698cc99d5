internal import Foundation

/// What an operator wants done with a replica.
package enum ReplicaOrder: Sendable, Equatable {
    /// - Parameter weight: 1 to 1,000.
    case add(address: String, weight: Int)
    case drain(String)
    case undrain(String)
    /// - Parameter now: cuts what is open instead of waiting for it.
    case remove(String, now: Bool)
}

/// What came of it: the body of the answer to every order.
package struct ReplicaOutcome: Sendable, Equatable, Codable {
    package enum Result: String, Sendable, Codable, CaseIterable {
        case added
        case draining
        case serving
        /// It finishes what is open, and is gone then.
        case leaving
        /// The admin port has let it go, and others still name it.
        case kept
        /// It was so already.
        case unchanged
    }

    package var cluster: String
    /// The replica's name, which is its address.
    package var id: String
    package var result: Result
    /// Streams that are open on it.
    package var inFlight: Int
    /// Who names it.
    package var origins: [String]

    package init(cluster: String, id: String, result: Result, inFlight: Int, origins: [String]) {
        self.cluster = cluster
        self.id = id
        self.result = result
        self.inFlight = inFlight
        self.origins = origins
    }

    private enum CodingKeys: String, CodingKey {
        case cluster, id, result, origins
        case inFlight = "in_flight"
    }
}

/// Why an order, or another change, is not carried out.
package struct AdminRefusal: Error, Equatable {
    package enum Kind: Sendable, Equatable {
        /// The request makes no sense.
        case bad
        /// It names somebody who is not there.
        case unknown
        /// It contradicts how things stand.
        case conflict
    }

    package var kind: Kind
    /// One of a fixed set of words.
    package var error: String
    /// The same for people, with what it was about.
    package var detail: String

    package init(_ kind: Kind, _ error: String, _ detail: String) {
        self.kind = kind
        self.error = error
        self.detail = detail
    }
}

/// The body of an error: one of a fixed set of words, and where there is more to say, a sentence.
package struct AdminError: Sendable, Equatable, Codable {
    package var error: String
    package var detail: String?
}

/// The body of `POST /api/replicas`.
struct NewReplica: Equatable {
    var cluster: String?
    var address: String
    var weight: Int

    /// Throws what is wrong with the body, one thing at a time.
    init(_ body: Data) throws(AdminRefusal) {
        do {
            self = try JSONDecoder().decode(NewReplica.self, from: body)
        } catch let refusal as AdminRefusal {
            throw refusal
        } catch {
            throw AdminRefusal(.bad, "body_is_not_a_replica", #"the body is a JSON object: {"address": "host:port"}"#)
        }
    }
}

extension NewReplica: Decodable {
    private enum Key: String, CodingKey, CaseIterable { case cluster, address, weight }

    /// Every key, known or not.
    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        for key in try decoder.container(keyedBy: AnyKey.self).allKeys where Key(rawValue: key.stringValue) == nil {
            let known = Key.allCases.map(\.rawValue).joined(separator: ", ")
            throw AdminRefusal(.bad, "unknown_key", "there is no key \(key.stringValue); known are \(known)")
        }
        let container = try decoder.container(keyedBy: Key.self)
        guard let address = try? container.decode(String.self, forKey: .address) else {
            throw AdminRefusal(.bad, "bad_address", "address is a text: host:port, [v6]:port or unix:/path")
        }
        self.address = address
        do {
            self.cluster = try container.decodeIfPresent(String.self, forKey: .cluster)
        } catch {
            throw AdminRefusal(.bad, "bad_cluster", "cluster is the name of a cluster")
        }
        let weight = Result { try container.decodeIfPresent(Int.self, forKey: .weight) ?? 1 }
        guard let weight = try? weight.get(), (1...1_000).contains(weight) else {
            throw AdminRefusal(.bad, "bad_weight", "weight is a whole number, 1 to 1000")
        }
        self.weight = weight
    }
}
