/// A reference from a part to the whole that owns it, and so outlives it: not counted, and not followed at a cost.
///
/// A debug build, and so every test, stops when the whole is gone; a release build does not look. An `unowned` reference
/// looks each time, with two atomic operations, which with one for every event of a leg is a twentieth of a call.
/// Safe to use: by the owner that makes its parts and lets nobody else keep them.
@safe public struct BackReference<Whole: AnyObject> {
    #if DEBUG
        @usableFromInline unowned let whole: Whole
    #else
        @usableFromInline let whole: Unmanaged<Whole>
    #endif

    @inlinable public init(_ whole: borrowing Whole) {
        #if DEBUG
            self.whole = copy whole
        #else
            unsafe self.whole = Unmanaged.passUnretained(copy whole)
        #endif
    }

    /// Calls `body` with the whole.
    @inlinable @inline(__always)
    public func with<Result>(_ body: (Whole) -> Result) -> Result {
        #if DEBUG
            body(self.whole)
        #else
            unsafe self.whole._withUnsafeGuaranteedRef(body)
        #endif
    }
}

extension BackReference: @unchecked Sendable where Whole: Sendable {}
