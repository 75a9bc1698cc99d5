import Glibc

/// Runs libFuzzer over one part of the program that reads foreign bytes. `HOMING_FUZZ_TARGET` says which: `scripts/fuzz`
/// runs one after the other.
@main
struct Fuzz {
    static func main() {
        var count = CommandLine.argc
        var arguments = unsafe CommandLine.unsafeArgv
        exit(
            unsafe runLibFuzzer(&count, &arguments) { bytes, count in
                Fuzz.run(unsafe Array(UnsafeBufferPointer(start: bytes, count: count)))
                return 0
            })
    }

    private enum Target: String, CaseIterable {
        case session, frames, predict, config, text, dns
    }

    private static let target: Target = {
        guard let name = unsafe getenv("HOMING_FUZZ_TARGET"),
            let target = unsafe Target(rawValue: String(cString: name))
        else { fatalError("HOMING_FUZZ_TARGET is one of \(Target.allCases.map(\.rawValue))") }
        return target
    }()

    private static func run(_ input: [UInt8]) {
        switch self.target {
        case .session: SessionFuzz.run(input)
        case .frames: FrameFuzz.run(input)
        case .predict: MessageFuzz.run(input)
        case .config: ConfigFuzz.run(input)
        case .text: TextFuzz.run(input)
        case .dns: DNSFuzz.run(input)
        }
    }
}

/// A promise that an input broke: the run ends here, and libFuzzer keeps the input.
func promise(_ isKept: Bool, _ what: @autoclosure () -> String) {
    if !isKept { fatalError("broken promise: \(what())") }
}

/// libFuzzer's entry point for programs with a main of their own. Pointers and integers only, which Swift and C pass alike.
@_silgen_name("LLVMFuzzerRunDriver")
private func runLibFuzzer(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32
