import Testing
import Wire

struct HeaderTokenSetTests {
    @Test func `a set has what was put in, and never an unknown header`() {
        let set = HeaderTokenSet(.grpcTimeout).with(.authorization)
        #expect(set.contains(.grpcTimeout) && set.contains(.authorization))
        #expect(!set.contains(.scheme) && !set.contains(.path) && !set.contains(.homingExplain))
        #expect(!set.with(.other).contains(.other))
        #expect(!HeaderTokenSet.none.contains(.method))
        #expect(set == HeaderTokenSet(.authorization).with(.grpcTimeout).with(.grpcTimeout))
    }
}
