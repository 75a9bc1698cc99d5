internal import CSpawn
internal import Glibc

/// Programs that are started to outlive us: nobody's children, so that a service manager hears of their end.
public enum DetachedProcess {
    /// Why a program could not be started.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Starts the program at `path` and returns its process id. Throws when there is no such program.
    ///
    /// - Parameters:
    ///   - arguments: with the program's name before them.
    ///   - environment: all of it. `LISTEN_PID`, if there is one, becomes the id of the new process.
    ///   - descriptors: become 3, 4, … there, which inherits no others but 0, 1 and 2. They stay open here.
    public static func start(
        _ path: String, arguments: [String], environment: [String: String], descriptors: [CInt]
    ) throws(Failure) -> CInt {
        let pidName = "LISTEN_PID="
        var variables = environment.filter { $0.key != "LISTEN_PID" }.map { "\($0.key)=\($0.value)" }.sorted()
        let tellsPid = environment["LISTEN_PID"] != nil
        // Last, and with room for every number: the new process writes its own there.
        if tellsPid { variables.append(pidName + "0000000000") }

        var argumentPointers = unsafe arguments.map { unsafe strdup($0) } + [nil]
        var variablePointers = unsafe variables.map { unsafe strdup($0) } + [nil]
        defer {
            for index in unsafe argumentPointers.indices { unsafe free(argumentPointers[index]) }
            for index in unsafe variablePointers.indices { unsafe free(variablePointers[index]) }
        }
        let last = unsafe tellsPid ? variablePointers[variables.count - 1] : nil
        let pidText = unsafe last.map { unsafe $0 + pidName.utf8.count }
        let pid = unsafe homing_spawn_detached(
            path, &argumentPointers, &variablePointers, pidText, descriptors, CInt(descriptors.count))
        guard pid > 0 else {
            throw Failure(description: "\(path) cannot be started: \(unsafe String(cString: strerror(-pid)))")
        }
        return pid
    }

    /// Sends a signal to a process that `start` made. One that is gone hears nothing.
    public static func signal(_ pid: CInt, _ number: CInt) { kill(pid, number) }
}
