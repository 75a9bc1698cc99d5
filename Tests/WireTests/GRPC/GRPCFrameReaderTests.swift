import Testing
import Wire

struct GRPCFrameReaderTests {
    struct Read: Equatable {
        var messages: [[UInt8]] = []
        var compressed: [Bool] = []
        var problem: GRPCFrameProblem?
    }

    /// Feeds `pieces` and then the end of the stream.
    private static func read(_ pieces: [[UInt8]], max: Int = 1_000) -> Read {
        var reader = GRPCFrameReader(maxMessageBytes: max)
        var read = Read()
        do throws(GRPCFrameProblem) {
            for piece in pieces {
                try piece.withRawSpan { bytes throws(GRPCFrameProblem) in
                    try reader.read(bytes) { message, isCompressed in
                        read.messages.append(message.copied)
                        read.compressed.append(isCompressed)
                    }
                }
            }
            try reader.finish()
        } catch {
            read.problem = error
        }
        return read
    }

    private static let messages: [[UInt8]] = [[], [1], [2, 3, 4], [UInt8](repeating: 9, count: 20), []]
    private static let stream = messages.enumerated().flatMap { GRPCFrame.framed($1, isCompressed: $0 == 2) }
    private static let expected = Read(messages: messages, compressed: [false, false, true, false, false])

    @Test func `a stream cut at any two places gives the same messages`() {
        let stream = Self.stream
        for first in 0...stream.count {
            for second in first...stream.count {
                let pieces = [Array(stream[..<first]), Array(stream[first..<second]), Array(stream[second...])]
                #expect(Self.read(pieces) == Self.expected)
            }
        }
    }

    @Test func `single bytes, with empty pieces between them, give the same messages`() {
        #expect(Self.read(Self.stream.flatMap { [[$0], []] }) == Self.expected)
    }

    @Test func `a stream that ends inside a message says how much is missing`() {
        let stream = GRPCFrame.framed([1, 2, 3])
        #expect(Self.read([]) == Read())
        for count in 1..<stream.count {
            let missing = count < 5 ? 5 - count : 8 - count
            #expect(Self.read([Array(stream.prefix(count))]).problem == .truncated(missing: missing))
        }
    }

    @Test func `the longest accepted message is read and one byte more is refused, wherever it is cut`() {
        let longest = GRPCFrame.framed([UInt8](repeating: 1, count: 1_000))
        #expect(Self.read([longest]).messages.map(\.count) == [1_000])
        let longer = GRPCFrame.framed([UInt8](repeating: 1, count: 1_001))
        for cut in 0...6 {
            let pieces = [Array(longer[..<cut]), Array(longer[cut...])]
            #expect(Self.read(pieces) == Read(problem: .tooLong(1_001)))
        }
        #expect(Self.read([[0, 0xFF, 0xFF, 0xFF, 0xFF]]).problem == .tooLong(.max))
    }

    @Test func `a flag that is neither 0 nor 1 is not gRPC`() {
        for flag in 2...255 as ClosedRange<UInt8> {
            #expect(Self.read([[flag, 0, 0, 0, 0]]).problem == .unknownFlag(flag))
        }
    }

    @Test func `messages before a problem are given, and nothing after it`() {
        var reader = GRPCFrameReader(maxMessageBytes: 10)
        var count = 0
        let stream = GRPCFrame.framed([1]) + [7, 0, 0, 0, 0] + GRPCFrame.framed([2])
        #expect(throws: GRPCFrameProblem.unknownFlag(7)) {
            try stream.withRawSpan { try reader.read($0) { _, _ in count += 1 } }
        }
        #expect(count == 1)
        #expect(throws: GRPCFrameProblem.unknownFlag(7)) {
            try GRPCFrame.framed([3]).withRawSpan { try reader.read($0) { _, _ in count += 1 } }
        }
        #expect(throws: GRPCFrameProblem.unknownFlag(7)) { try reader.finish() }
        #expect(count == 1 && reader.collectedBytes == 0)
    }

    @Test func `memory follows what has arrived, not what a prefix says`() throws {
        var reader = GRPCFrameReader(maxMessageBytes: 1 << 30)
        let beginning: [UInt8] = [0, 0x3F, 0xFF, 0xFF, 0xFF, 1, 2]
        try beginning.withRawSpan { try reader.read($0) { _, _ in Issue.record("nothing is complete") } }
        #expect(reader.collectedBytes == 7)
    }

    @Test func `a prefix needs five bytes`() throws {
        let prefix: [UInt8] = [1, 0x01, 0x02, 0x03, 0x04]
        for count in 0..<5 {
            #expect(try Array(prefix.prefix(count)).withRawSpan { try GRPCFramePrefix($0) } == nil)
        }
        let read = try prefix.withRawSpan { try GRPCFramePrefix($0) }
        #expect(read == GRPCFramePrefix(isCompressed: true, length: 0x0102_0304))
        var written: [UInt8] = []
        read?.append(to: &written)
        #expect(written == prefix)
    }
}
