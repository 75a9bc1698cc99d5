import ArgumentParser
import Config
import Connection
import Foundation
import Transport
import Wire

/// How a small client proves itself, and whom it believes: the flags of `homing predict` for a proxy with TLS or tokens.
struct IdentityFlags: ParsableArguments {
    @Flag(help: "Speak TLS. The other --tls flags imply it.")
    var tls = false

    @Option(
        help: ArgumentHelp(
            "PEM file with the authorities that sign the server's certificate. Default: the system's.",
            valueName: "file"))
    var tlsCa: String?

    @Option(
        help: ArgumentHelp("The name that the server's certificate holds. Default: the address.", valueName: "name"))
    var tlsServerName: String?

    @Option(help: ArgumentHelp("Our certificate, PEM, for a server that asks for one.", valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("The private key of that certificate, PEM.", valueName: "file"))
    var tlsKey: String?

    @Option(help: ArgumentHelp("Environment variable with the token that callers send.", valueName: "name"))
    var tokenEnv: String?

    @Option(help: ArgumentHelp("File with the token that callers send.", valueName: "file"))
    var tokenFile: String?

    func validate() throws {
        guard (self.tlsCertificate == nil) == (self.tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key need each other.")
        }
        guard self.tokenEnv == nil || self.tokenFile == nil else {
            throw ValidationError("--token-env and --token-file exclude each other.")
        }
    }

    /// What the flags say about TLS; nil means cleartext.
    var tlsSettings: TLSClientSettings? {
        let given = [self.tlsCa, self.tlsServerName, self.tlsCertificate].contains { $0 != nil }
        guard self.tls || given else { return nil }
        var settings = TLSClientSettings()
        settings.caFile = self.tlsCa
        settings.serverName = self.tlsServerName
        settings.certificateFile = self.tlsCertificate
        settings.privateKeyFile = self.tlsKey
        return settings
    }

    /// The token, looked up where the flags say; nil without one.
    func token(_ secrets: SecretSources = SettingsFile.secrets) throws -> BearerToken? {
        let source: Secret.Source
        if let name = self.tokenEnv {
            source = .environment(name)
        } else if let file = self.tokenFile {
            source = .file(file)
        } else {
            return nil
        }
        let token: BearerToken
        do throws(SecretProblem) {
            token = BearerToken(try secrets.look(up: source))
        } catch {
            throw ValidationError("\(error.text).")
        }
        guard token.isSendable else {
            throw ValidationError("A token has visible ASCII characters only, and no spaces.")
        }
        return token
    }

    /// Adds to a request what the flags say.
    func apply(to request: inout DirectCall.Request) throws {
        request.authorization = try self.token()?.revealHeader()
        do throws(TLSProblem) {
            if let settings = self.tlsSettings { request.tls = try TLSContext(client: settings) }
        } catch {
            throw ValidationError("\(error.description).")
        }
    }
}
