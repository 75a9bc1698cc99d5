import ArgumentParser
import Config
import Foundation
import Logging
import Routing
import Testing
import Upstream
import Transport
import Upstream

@testable import homing

struct ServeOptionsTests {
    @Test func `replicas without a file make one cluster called default`() throws {
        let settings = try serve("--replica", "127.0.0.1:50052", "--replica", "127.0.0.1:50053")
        #expect(settings.clusters.map(\.name) == ["default"])
        #expect(settings.clusters[0].replicas.map(\.address.description) == ["127.0.0.1:50052", "127.0.0.1:50053"])
        var expected = ServeSettings()
        expected.clusters = settings.clusters
        #expect(settings == expected)
    }

    @Test func `every flag is a setting`() throws {
        let settings = try serve(
            "--listen", "127.0.0.1:0", "--listen", "unix:/run/homing.sock", "--admin", "[::1]:0", "--replica",
            "worker:1",
            "--policy", "round_robin", "--threads", "2", "--model", "a", "--model", "b", "--log-level", "warning",
            "--no-access-log")
        #expect(settings.listeners.map(\.address.description) == ["127.0.0.1:0", "unix:/run/homing.sock"])
        #expect(settings.admin.address?.description == "[::1]:0")
        #expect(settings.clusters[0].routing.policy == .roundRobin)
        #expect(settings.threads == 2)
        #expect(settings.clusters[0].models == ["a", "b"])
        #expect(settings.logLevel == .warning)
        #expect(!settings.accessLog.enabled)
        #expect(try serve("--replica", "worker:1", "--admin", "off").admin.address == nil)
    }

    @Test func `flags win over the file and leave the rest of it`() throws {
        let file = try TemporaryFile(
            """
            listeners: [127.0.0.1:1, 127.0.0.1:2]
            threads: 5
            log_level: error
            clusters:
              - { name: chat, routing: { policy: round_robin, max_blocks: 9 }, replicas: [h:1, h:2] }
            """)
        let plain = try serve("-c", file.path)
        #expect(plain.threads == 5 && plain.logLevel == .error && plain.listeners.count == 2)
        let settings = try serve(
            "--config", file.path, "--listen", "127.0.0.1:3", "--replica", "h:9", "--policy", "prefix_cache",
            "--threads",
            "1")
        #expect(settings.listeners.map(\.address.port) == [3])
        #expect(settings.threads == 1)
        #expect(settings.logLevel == .error)
        #expect(settings.clusters.map(\.name) == ["chat"])
        #expect(settings.clusters[0].replicas.map(\.address.port) == [9])
        #expect(settings.clusters[0].routing.policy == .prefixCache)
        #expect(settings.clusters[0].routing.maxBlocks == 9)
    }

    @Test func `a file with several clusters cannot be meant by replica and model flags`() throws {
        let file = try TemporaryFile("clusters: [{ name: a, replicas: [h:1] }, { name: b, models: [m] }]")
        #expect(
            problems("-c", file.path, "--replica", "h:2", "--model", "x") == [
                "--replica: the file has 2 clusters, so this belongs into the file",
                "--model: the file has 2 clusters, so this belongs into the file",
            ])
        let settings = try serve("-c", file.path, "--policy", "round_robin")
        #expect(settings.clusters.map(\.routing.policy) == [.roundRobin, .roundRobin])
    }

    @Test func `nothing to serve is a problem`() throws {
        #expect(problems() == ["clusters: there is no cluster; name replicas in the file or with --replica"])
        let file = try TemporaryFile("clusters: [{ name: a }]")
        #expect(
            problems("-c", file.path) == [
                "clusters: no cluster has a replica; name replicas in the file or with --replica, or where to discover them"
            ])
    }

    @Test func `a contradiction of flags is a problem without a line`() {
        #expect(
            problems("--replica", "h:1", "--replica", "H:1") == [
                "clusters[0].replicas[1].address: h:1 is the address of clusters[0].replicas[0] already"
            ])
    }

    @Test(arguments: [
        (["--replica", "h"], "write host:port"), (["--listen", "http://h:1"], "does not begin with http://"),
        (["--policy", "round_robbin"], "did you mean round_robin?"), (["--threads", "1025"], "0 to 1024"),
        (["--threads", "x"], "--threads"), (["--log-level", "loud"], "trace, debug, info"),
        (["--model", ""], "--model"),
        (["--admin", "nowhere"], "write host:port"), (["--nonsense"], "--nonsense"),
    ])
    func `a flag that is wrong says what would be right`(arguments: [String], text: String) {
        do {
            _ = try ServeOptions.parse(arguments)
            Issue.record("the flags were accepted")
        } catch {
            let message = ServeOptions.message(for: error)
            #expect(message.contains(text), "\(message)")
            #expect(ServeOptions.exitCode(for: error).rawValue == 64)
        }
    }

    @Test func `a file that cannot be read says so`() {
        for path in ["/nowhere/homing.yaml", "/"] {
            #expect(throws: UnreadableFile.self) { try serve("-c", path) }
        }
    }

    @Test func `an endless file is refused at the size bound`() {
        #expect(problems("-c", "/dev/zero") == ["the file is larger than \(ConfigText.largestFile) bytes"])
    }

    @Test func `all problems of a file come with its name and lines`() throws {
        let file = try TemporaryFile("threads: x\nclusters:\n- { name: a, replicas: [h, w:1, w:1] }\n")
        do {
            _ = try serve("-c", file.path)
            Issue.record("the file was accepted")
        } catch let problems as ConfigProblems {
            #expect(
                problems.description == """
                    \(file.path):1: threads: expected a whole number, 0 to 1024, found "x"
                    \(file.path):3: clusters[0].replicas[0].address: the port is missing after "h"; write host:port
                    \(file.path):3: clusters[0].replicas[2].address: w:1 is the address of clusters[0].replicas[1] \
                    already
                    """)
        } catch {
            Issue.record(error)
        }
    }
}

/// The settings that these flags make.
private func serve(_ arguments: String...) throws -> ServeSettings {
    try ServeOptions.parse(arguments).settings()
}

/// What is wrong with the settings that these flags make, without the name of the file.
private func problems(_ arguments: String...) -> [String] {
    do {
        _ = try ServeOptions.parse(arguments).settings()
        return []
    } catch let problems as ConfigProblems {
        return problems.problems.map(\.description)
    } catch {
        return ["\(error)"]
    }
}

/// A file that is gone when its value is.
final class TemporaryFile {
    let path: String

    init(_ text: String) throws {
        self.path = FileManager.default.temporaryDirectory.appendingPathComponent("homing-\(UUID()).yaml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: self.path))
    }

    deinit {
        try? FileManager.default.removeItem(atPath: self.path)
    }
}
