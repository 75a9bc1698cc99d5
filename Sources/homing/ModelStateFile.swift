import Foundation
import Logging
import Transport
import Upstream

/// The options of a cluster's last LoadModel in a small file, written whole or not at all, readable by its owner only.
///
/// Three lines: what this is, the length of the options in bytes, and the options in base64. A file that is anything else is
/// reported and ignored.
struct ModelStateFile: ModelMemory {
    let path: String
    let log: Logger

    private static let heading = "homing model options 1"
    /// Options are a few kilobytes; a larger file is none of ours.
    private static let largest = 16 * 1024 * 1024

    func recall() -> [UInt8]? {
        guard FileManager.default.fileExists(atPath: self.path) else { return nil }
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: self.path))
            defer { try? handle.close() }
            let data = try handle.read(upToCount: Self.largest + 1) ?? Data()
            guard data.count <= Self.largest, let options = Self.decode(String(decoding: data, as: UTF8.self)) else {
                self.report("it is damaged, or not ours")
                return nil
            }
            return options
        } catch {
            self.report("\(error)")
            return nil
        }
    }

    func remember(_ options: [UInt8]?) {
        do throws(WholeFile.Failure) {
            if let options {
                try WholeFile.replace(self.path, with: Array(Self.encode(options).utf8))
            } else {
                try WholeFile.remove(self.path)
            }
        } catch {
            self.log.warning(
                "model options could not be remembered", metadata: ["file": "\(self.path)", "error": "\(error)"])
        }
    }

    static func encode(_ options: [UInt8]) -> String {
        "\(Self.heading)\n\(options.count)\n\(Data(options).base64EncodedString())\n"
    }

    /// Nil when the text is not exactly what `encode` makes.
    static func decode(_ text: String) -> [UInt8]? {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 4, lines[0] == Self.heading, lines[3].isEmpty, let count = Int(lines[1]),
            let data = Data(base64Encoded: String(lines[2])), data.count == count
        else { return nil }
        return [UInt8](data)
    }

    private func report(_ reason: String) {
        self.log.warning("state file ignored", metadata: ["file": "\(self.path)", "reason": "\(reason)"])
    }
}
