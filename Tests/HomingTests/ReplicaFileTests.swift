import Discovery
import Testing

@testable import homing

struct ReplicaFileTests {
    private static func replicas(_ text: String, for cluster: String = "c") throws(DiscoveryFailure) -> [String] {
        try ReplicaFile.replicas(in: Array(text.utf8), named: "r.yaml", for: cluster).map {
            "\($0.address) \($0.weight)"
        }
    }

    @Test(arguments: [
        "- w1:1\n- address: '[::1]:2'\n  weight: 5\n- unix:/run/w\n",
        #"["w1:1", {"address": "[::1]:2", "weight": 5}, "unix:/run/w"]"#,
        #"{"replicas": ["w1:1", {"weight": 5, "address": "[::1]:2"}, {"address": "unix:///run/w"}]}"#,
        "replicas: [W1:1, {address: '[::1]:2', weight: 5}, 'unix:/run/w']",
    ])
    func `a list is read as YAML and as JSON, alone or under its key`(text: String) throws {
        #expect(try Self.replicas(text) == ["w1:1 1", "[::1]:2 5", "unix:/run/w 1"])
    }

    @Test func `an entry of another cluster is passed over`() throws {
        let text = "[a:1, {address: 'b:1', cluster: c}, {address: 'd:1', cluster: other}]"
        #expect(try Self.replicas(text) == ["a:1 1", "b:1 1"])
        #expect(try Self.replicas(text, for: "other") == ["a:1 1", "d:1 1"])
    }

    @Test(arguments: ["[]", "replicas: []", "[{address: 'd:1', cluster: other}]"])
    func `an empty list is meant`(text: String) throws {
        #expect(try Self.replicas(text) == [])
    }

    @Test(arguments: [
        ("", "r.yaml: lists nothing; write [] when there is no replica"), ("# later\n", "r.yaml: lists nothing"),
        ("replicas:\n", "lists nothing"), ("a:1", "r.yaml:1: expected a list at the top of the file"),
        ("- a:1\n- nowhere\n", "r.yaml:2: replicas[1].address: "),
        ("- {weight: 2}", "r.yaml:1: replicas[0].address: is missing"),
        ("- {address: 'a:1', weight: 0}", "replicas[0].weight: expected a whole number, 1 to 1000"),
        ("- {address: 'a:1', wieght: 1}", #"did you mean "weight"?"#),
        ("- a:0", "r.yaml:1: replicas[0]: a replica needs"),
        ("- nowhere\n- elsewhere\n", "(and 1 more)"), ("[a:1", "is not valid YAML"),
        ("replica: [a:1]", #"did you mean "replicas"?"#),
    ])
    func `what is wrong is said with its line`(text: String, problem: String) {
        do throws(DiscoveryFailure) {
            let replicas = try Self.replicas(text)
            Issue.record("\(replicas)")
        } catch {
            #expect(error.description.contains(problem), "\(error)")
        }
    }

    @Test func `a file that is not there is said to be so`() {
        #expect(throws: DiscoveryFailure.self) { try ReplicaFile.replicas(at: "/nowhere/at/all", for: "c") }
    }
}
