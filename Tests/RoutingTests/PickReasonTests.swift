import Routing
import Testing

@Suite struct PickReasonTests {
    @Test func `every reason knows its position among all reasons`() {
        #expect(PickReason.allCases.map(\.position) == Array(PickReason.allCases.indices))
    }
}
