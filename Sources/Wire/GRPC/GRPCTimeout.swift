/// The value of a `grpc-timeout` field: one to eight digits and a unit, `H`, `M`, `S`, `m`, `u` or `n`.
public enum GRPCTimeout {
    /// Reads a field value as nanoseconds, at most `UInt64.max` (584 years). Nil when it is not of that form; the
    /// caller answers INTERNAL then, as grpc-go does, rather than run without the deadline that was meant.
    public static func nanoseconds(_ value: RawSpan) -> UInt64? {
        let digits = value.byteCount - 1
        guard digits >= 1, digits <= 8 else { return nil }
        var amount: UInt64 = 0
        for offset in 0..<digits {
            let digit = value.byte(at: offset) &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            amount = amount * 10 + UInt64(digit)
        }
        guard let unit = Self.units.first(where: { $0.letter == value.byte(at: digits) }) else { return nil }
        let (nanoseconds, overflow) = amount.multipliedReportingOverflow(by: unit.nanoseconds)
        return overflow ? .max : nanoseconds
    }

    /// The field value for a time of `nanoseconds`: in the finest unit that has room for it, rounded up, so that the
    /// time told is never shorter than the time meant.
    public static func text(nanoseconds: UInt64) -> [UInt8] {
        for unit in Self.units {
            let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: unit.nanoseconds)
            let amount = quotient + (remainder > 0 ? 1 : 0)
            if amount <= 99_999_999 { return Array(String(amount).utf8) + [unit.letter] }
        }
        preconditionFailure("99,999,999 hours are more than 2^64 nanoseconds")
    }

    /// From the finest to the coarsest.
    private static let units: [(letter: UInt8, nanoseconds: UInt64)] = [
        (UInt8(ascii: "n"), 1),
        (UInt8(ascii: "u"), 1_000),
        (UInt8(ascii: "m"), 1_000_000),
        (UInt8(ascii: "S"), 1_000_000_000),
        (UInt8(ascii: "M"), 60_000_000_000),
        (UInt8(ascii: "H"), 3_600_000_000_000),
    ]
}
