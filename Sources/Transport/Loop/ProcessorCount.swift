internal import CLinux

/// How many processors this process may use.
enum ProcessorCount {
    /// Those that it may run on, and no more than its control group has time for. At least 1.
    static var usable: Int {
        let processors = Int(homing_usable_processors())
        let quotas = [
            self.quota("/sys/fs/cgroup/cpu.max"),
            self.quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", per: "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
        ]
        return quotas.compactMap { $0 }.reduce(processors, min)
    }

    /// Whole processors, rounded up, that a file of the form `quota period` allows; nil when it sets no bound.
    static func processors(in text: String) -> Int? {
        let words = text.split { $0 == " " || $0 == "\n" }
        guard words.count == 2, let quota = Int(words[0]), let period = Int(words[1]), quota > 0, period > 0 else {
            return nil
        }
        return max(1, (quota + period - 1) / period)
    }

    private static func quota(_ path: String, per period: String? = nil) -> Int? {
        guard var text = SmallFile.text(path) else { return nil }
        if let period { text += " " + (SmallFile.text(period) ?? "") }
        return self.processors(in: text)
    }
}
