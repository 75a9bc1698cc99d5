/// Where the options of a cluster's last LoadModel are kept across restarts of the process. The program implements it.
///
/// Called off the data path; may block for as long as a small file takes.
public protocol ModelMemory: Sendable {
    /// The remembered ModelOptions, encoded; nil when there are none, or none that can be read.
    func recall() -> [UInt8]?
    /// Remembers `options`, or that there are none. A failure is reported there and changes nothing here.
    func remember(_ options: [UInt8]?)
}
