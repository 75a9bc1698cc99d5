import TestSupport
import Testing

@testable import Upstream

@Suite struct SharedResultTests {
    @Test func `everybody hears the result, those who come later as well`() async {
        let result = SharedResult<Int>()
        await withTaskGroup(of: Int?.self) { group in
            for _ in 0..<20 { group.addTask { await result.wait() } }
            result.finish(7)
            for await heard in group { #expect(heard == 7) }
        }
        #expect(await result.wait() == 7)
    }

    @Test func `who is cancelled goes without it, and the others stay`() async throws {
        let result = SharedResult<Int>()
        let leaving = Task { await result.wait() }
        let staying = Task { await result.wait() }
        leaving.cancel()
        #expect(await leaving.value == nil)
        result.finish(3)
        #expect(await staying.value == 3)
    }

    @Test func `who is cancelled before it waits does not wait`() async {
        let result = SharedResult<Int>()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await result.wait()
        }
        task.cancel()
        #expect(await task.value == nil)
    }
}
