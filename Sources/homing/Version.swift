/// What this program is, as `homing --version` and packages say it. The only place that knows; `scripts/package` reads it.
enum Version {
    static let number = "0.1.0"
}
