import ArgumentParser
import Dispatch

/// Where the process begins. The main thread only waits for the command, which runs on the concurrency pool.
///
/// An asynchronous `main` would end the main thread and leave its stack to Dispatch, which neither valgrind nor gdb can
/// follow: `scripts/bench instructions` counts with callgrind.
@main
enum Program {
    static func main() {
        let isOver = DispatchSemaphore(value: 0)
        Task.detached {
            await Homing.main()
            isOver.signal()
        }
        isOver.wait()
    }
}
