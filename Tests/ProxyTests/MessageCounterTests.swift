import Testing
import Wire

@testable import Proxy

struct MessageCounterTests {
    private static let messages: [[UInt8]] = [[], [1], [2, 3, 4], [UInt8](repeating: 9, count: 20), []]
    private static let stream = messages.flatMap { GRPCFrame.framed($0) }

    private static func count(_ pieces: [[UInt8]]) -> MessageCounter {
        var counter = MessageCounter()
        for piece in pieces { piece.withRawSpan { counter.count($0) } }
        return counter
    }

    @Test func `a stream cut at any two places has the same messages`() {
        let stream = Self.stream
        for first in 0...stream.count {
            for second in first...stream.count {
                let counter = Self.count([
                    Array(stream[..<first]), Array(stream[first..<second]), Array(stream[second...]),
                ])
                #expect(counter.messages == 5 && counter.isBetweenMessages)
            }
        }
    }

    @Test func `a message counts when its last byte is here`() {
        let stream = Self.stream
        var ends: [Int] = []
        for message in Self.messages { ends.append((ends.last ?? 0) + 5 + message.count) }
        for length in 0...stream.count {
            let counter = Self.count([Array(stream[..<length])])
            #expect(counter.messages == ends.count { $0 <= length })
            #expect(counter.isBetweenMessages == (length == 0 || ends.contains(length)))
        }
    }

    @Test func `a length of 4 GiB waits for its bytes`() {
        let counter = Self.count([[0, 255, 255, 255, 255], [UInt8](repeating: 0, count: 100)])
        #expect(counter.messages == 0 && !counter.isBetweenMessages)
    }
}
