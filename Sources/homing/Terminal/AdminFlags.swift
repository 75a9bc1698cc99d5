import Admin
import ArgumentParser
import Foundation
import Transport

/// How `homing status`, `top` and `logs` find the admin port. A flag wins over the environment.
struct AdminFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The admin port of a running homing: host:port or [v6]:port. Default: $HOMING_ADMIN, else 127.0.0.1:9901.",
            valueName: "address"),
        transform: Flags.endpoint)
    var admin: Endpoint?

    @Option(
        help: ArgumentHelp(
            "A file whose first line is the port's token. Default: $HOMING_ADMIN_TOKEN_FILE, else the token in "
                + "$HOMING_ADMIN_TOKEN.", valueName: "file"))
    var tokenFile: String?

    func validate() throws { _ = try self.address() }

    private func address() throws -> Endpoint {
        if let admin = self.admin { return admin }
        guard let text = Self.environment("HOMING_ADMIN") else { return ServeSettings.defaultAdmin }
        do throws(EndpointProblem) {
            return try Endpoint(parsing: text)
        } catch {
            throw ValidationError("HOMING_ADMIN: \(error.description)")
        }
    }

    private func token() throws -> String? {
        guard let path = self.tokenFile ?? Self.environment("HOMING_ADMIN_TOKEN_FILE") else {
            return Self.environment("HOMING_ADMIN_TOKEN")
        }
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw ValidationError("The token file \(path) cannot be read.")
        }
        return String(text.prefix { !$0.isNewline })
    }

    func client(on loop: Loop) throws -> AdminClient {
        AdminClient(address: try self.address(), token: try self.token(), loop: loop)
    }

    private static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// How the commands that look at a running homing end. Scripts go by these.
enum SightExit {
    /// Nobody answers at the admin port, or not as homing does.
    static let unreachable = ExitCode(1)
    /// A flag, or an address in the environment, is wrong.
    static let usage = ExitCode(2)
    /// Homing answers, and would not be sent streams now: what `/ready` says.
    static let notReady = ExitCode(3)

    /// Homing answers, and does not do what it was asked for.
    static let refused = ExitCode(4)

    /// Says why homing does not do what it was asked for.
    static func refused(
        _ answer: (status: Int, body: Data), by client: AdminClient
    ) throws(AdminClient.Failure) -> ExitCode {
        guard let error = try? JSONDecoder().decode(AdminError.self, from: answer.body) else {
            throw AdminClient.Failure(description: "\(client.address) answers with status \(answer.status)")
        }
        ExitReason.printError("homing: \(error.detail ?? Self.spoken(error.error))")
        return self.refused
    }

    private static func spoken(_ error: String) -> String {
        switch error {
        case "no_token_configured": "the admin port takes changes with a token only; configure admin.auth.tokens"
        default: error.replacing("_", with: " ")
        }
    }

    static let help = """
        Exit code 0: it is ready. 1: nobody answers at the admin port, or the token is wrong. 2: a flag is wrong. \
        3: homing answers and is not ready, as /ready says.
        """

    /// Runs `body` with a client of the admin port on a loop of its own.
    static func asking(_ flags: AdminFlags, _ body: (AdminClient) async throws -> Void) async throws {
        let group = LoopGroup(count: 1)
        do {
            try await body(try flags.client(on: group.loops[0]))
        } catch let failure as AdminClient.Failure {
            ExitReason.printError("homing: \(failure.description)")
            await group.shutdown()
            throw self.unreachable
        } catch {
            await group.shutdown()
            throw error
        }
        await group.shutdown()
    }
}
