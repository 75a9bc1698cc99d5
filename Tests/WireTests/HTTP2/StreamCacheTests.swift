import Testing

@testable import Wire

struct StreamCacheTests {
    @Test func `a stream is found under its own identifier only, and not after it was removed`() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededNumbers(seed: seed)
        let account = BufferAccount()
        var cache = StreamCache()
        var attached: [Int32: HTTP2Stream] = [:]
        func expect(_ id: Int32) {
            guard let found = unsafe cache.find(id)?.takeUnretainedValue() else { return }
            #expect(found === attached[id], "seed \(seed), stream \(id)")
        }
        for _ in 0..<2_000 {
            let id = Int32.random(in: 0..<400, using: &random) * 2 + 1
            if let stream = attached.removeValue(forKey: id) {
                cache.remove(id)
                stream.id = 0
                #expect(unsafe cache.find(id) == nil, "seed \(seed), stream \(id)")
            } else {
                let stream = HTTP2Stream(account: account)
                stream.id = id
                attached[id] = stream
                unsafe cache.insert(Unmanaged.passUnretained(stream), id, among: attached.count)
                #expect(unsafe cache.find(id) != nil, "seed \(seed), stream \(id)")
            }
            for _ in 0..<5 { expect(Int32.random(in: 0..<400, using: &random) * 2 + 1) }
        }
    }

    @Test func `streams in a row all have a place`() {
        let account = BufferAccount()
        var cache = StreamCache()
        #expect(unsafe cache.find(1) == nil)
        let streams = (0..<64).map { _ in HTTP2Stream(account: account) }
        for (position, stream) in streams.enumerated() {
            stream.id = Int32(101 + 2 * position)
            unsafe cache.insert(Unmanaged.passUnretained(stream), stream.id, among: 64)
        }
        #expect(streams.allSatisfy { stream in unsafe cache.find(stream.id)?.takeUnretainedValue() === stream })
        #expect(unsafe cache.find(99) == nil && cache.find(229) == nil)
        cache.removeAll()
        #expect(streams.allSatisfy { stream in unsafe cache.find(stream.id) == nil })
    }
}
