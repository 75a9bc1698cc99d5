import Testing
import Wire

struct GRPCFrameTests {
    @Test func `the message of a unary answer is the first one, if it is whole and plain`() {
        let frame = GRPCFrame.framed([1, 2, 3])
        #expect(frame == [0, 0, 0, 0, 3, 1, 2, 3])
        #expect(GRPCFrame.singleMessage(in: frame) == [1, 2, 3])
        #expect(GRPCFrame.singleMessage(in: frame + frame) == [1, 2, 3])
        for count in 0..<frame.count { #expect(GRPCFrame.singleMessage(in: Array(frame.prefix(count))) == []) }
        #expect(GRPCFrame.singleMessage(in: GRPCFrame.framed([1], isCompressed: true)) == [])
        #expect(GRPCFrame.singleMessage(in: [9, 0, 0, 0, 1, 1]) == [])
        #expect(GRPCFrame.singleMessage(in: [0, 0xFF, 0xFF, 0xFF, 0xFF, 1]) == [])
    }
}
