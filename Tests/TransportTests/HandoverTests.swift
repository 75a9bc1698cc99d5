import Foundation
import Glibc
import Testing
import Transport

/// What passes from one process to the next, and to a service manager.
@Suite struct HandoverTests {
    @Test func `words go both ways, and the end is heard`() async throws {
        let (ours, theirs) = try #require(HandoverChannel.pair())
        var other: HandoverChannel? = HandoverChannel(theirs)
        other?.say(.ready)
        #expect(await ours.answer(withinMs: nil) == .word(.ready))
        ours.say(.accept)
        #expect(await other?.answer(withinMs: nil) == .word(.accept))
        #expect(await ours.answer(withinMs: 1) == .timedOut)
        other?.sayFailed(exitCode: 65)
        #expect(await ours.answer(withinMs: nil) == .failed(exitCode: 65))
        other = nil
        #expect(await ours.answer(withinMs: nil) == .gone)
        // Nobody is there to hear it, and that is no reason to end.
        ours.say(.yours)
    }

    @Test func `a wait can be ended`() async throws {
        let (ours, theirs) = try #require(HandoverChannel.pair())
        let other = HandoverChannel(theirs)
        async let answer = ours.answer(withinMs: nil)
        ours.cancel()
        #expect(await answer == .gone)
        #expect(await other.answer(withinMs: nil) == .gone)
    }

    /// Starts `script` with a pipe as descriptor 3 and returns what it wrote there.
    private static func said(
        _ script: String, environment: [String: String] = [:]
    ) throws -> (pid: CInt, text: String) {
        let pipe = Pipe()
        let pid = try DetachedProcess.start(
            "/bin/sh", arguments: ["sh", "-c", script], environment: environment,
            descriptors: [pipe.fileHandleForWriting.fileDescriptor])
        try pipe.fileHandleForWriting.close()
        let text = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        return (pid, text)
    }

    @Test func `a detached process has its own number, its descriptors, its environment, and another parent`() throws {
        let variables = ["LISTEN_PID": "", "NEST": "oak and ash"]
        let (pid, text) = try Self.said(#"echo "$LISTEN_PID $$ $NEST $PPID" >&3"#, environment: variables)
        let words = text.split(whereSeparator: \.isWhitespace)
        #expect(words.prefix(2) == ["\(pid)", "\(pid)"] && text.contains("oak and ash"))
        #expect(words.last.flatMap { CInt($0) } != getpid())
    }

    @Test func `a detached process inherits nothing else`() throws {
        let others = try (0..<3).map { _ in try #require(FileHandle(forReadingAtPath: "/dev/null")) }
        let (_, text) = try Self.said("ls /proc/self/fd >&3")
        // Its own folder is the last one that ls opens.
        let open = text.split(separator: "\n").compactMap { Int($0) }.sorted()
        #expect(open == [0, 1, 2, 3, 4], "\(others.count) others are open here")
    }

    @Test func `a program that is not there is an error, not a process`() {
        #expect(throws: DetachedProcess.Failure.self) {
            _ = try DetachedProcess.start("/no/such/program", arguments: ["x"], environment: [:], descriptors: [])
        }
    }

    @Test func `what the environment says of sockets is believed when it is for us and true`() throws {
        let ours = ["LISTEN_FDS": "1", "LISTEN_PID": "7"]
        #expect(try InheritedSocket.all(by: ours, pid: 8) == [])
        #expect(try InheritedSocket.all(by: ["LISTEN_PID": "7"], pid: 7) == [])
        #expect(try InheritedSocket.all(by: ["LISTEN_PID": "7", "LISTEN_FDS": "0"], pid: 7) == [])
        for count in ["-1", "many", "1000000"] {
            #expect(throws: InheritedSocket.Problem.self) {
                _ = try InheritedSocket.all(by: ["LISTEN_PID": "7", "LISTEN_FDS": count], pid: 7)
            }
        }
    }

    @Test func `only a listening stream socket is one to listen on`() throws {
        let file = try #require(FileHandle(forReadingAtPath: "/dev/null"))
        let datagram = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        let idle = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { for each in [datagram, idle] { close(each) } }
        for descriptor in [file.fileDescriptor, datagram, idle] {
            #expect(throws: InheritedSocket.Problem.self) { _ = try InheritedSocket(descriptor: descriptor, name: "x") }
        }
        #expect(listen(idle, 1) == 0)
        let good = try InheritedSocket(descriptor: idle, name: "x")
        #expect(good.name == "x" && (good.endpoint.port ?? 0) > 0)
        #expect(good.serves(Endpoint(.host("0.0.0.0", port: good.endpoint.port ?? 0))))
    }

    @Test func `a loop that takes no turn is noticed`() async throws {
        let group = LoopGroup(count: 2)
        let pulse = LoopPulse(of: group)
        #expect(pulse.hasAnswered)
        let (hangs, goesOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        group.loops[1].execute {
            hangs.signal()
            goesOn.wait()
        }
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                hangs.wait()
                continuation.resume()
            }
        }
        pulse.ask()
        await group.loops[0].run {}
        #expect(!pulse.hasAnswered)
        goesOn.signal()
        await group.loops[1].run {}
        #expect(pulse.hasAnswered)
        await group.shutdown()
    }

    @Test func `a manager that is not there hears nothing, and that is no error`() {
        #expect(NotifySocket("relative") == nil && NotifySocket("@") == nil && NotifySocket("") == nil)
        #expect(NotifySocket("/no/such/socket")?.send("READY=1") == false)
    }
}
