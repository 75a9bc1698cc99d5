import ArgumentParser
import Config
import Transport

/// How the flags of all subcommands are read: what is wrong with one, and what would be right.
enum Flags {
    @Sendable static func endpoint(_ text: String) throws -> Endpoint {
        do throws(EndpointProblem) {
            return try Endpoint(parsing: text)
        } catch {
            throw ValidationError(error.description)
        }
    }

    static func names<Name: CaseIterable & RawRepresentable>(_ type: Name.Type) -> String
    where Name.RawValue == String {
        Name.allCases.map(\.rawValue).joined(separator: ", ")
    }

    static func name<Name: CaseIterable & RawRepresentable>(_ text: String) throws -> Name
    where Name.RawValue == String {
        if let name = Name(rawValue: text) { return name }
        let meant = Spelling.nearest(to: text, among: Name.allCases.map(\.rawValue))
        let hint = meant.map { "; did you mean \($0)?" } ?? ""
        throw ValidationError("It is one of \(self.names(Name.self))\(hint)")
    }

    /// Throws when a flag's number is out of its bounds.
    static func check(_ flag: String, _ value: Int, in bounds: ClosedRange<Int>) throws {
        guard !bounds.contains(value) else { return }
        throw ValidationError("\(flag) is a whole number, \(bounds.lowerBound) to \(bounds.upperBound).")
    }

    /// The same for a number that need not be whole.
    static func check(_ flag: String, _ value: Double, in bounds: ClosedRange<Double>) throws {
        guard !bounds.contains(value) else { return }
        throw ValidationError("\(flag) is a number, \(bounds.lowerBound) to \(bounds.upperBound).")
    }
}
