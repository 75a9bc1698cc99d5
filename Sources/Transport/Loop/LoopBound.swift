/// Carries a value that belongs to one loop through code that may run anywhere. The value is touched on its loop only,
/// which every access checks. The one place where `@unchecked Sendable` stands.
public struct LoopBound<Value>: @unchecked Sendable {
    private let wrapped: Value
    public let loop: Loop

    public init(_ value: Value, on loop: Loop) {
        self.wrapped = value
        self.loop = loop
    }

    /// The value before its loop has anything to do with it, while everything is being put together.
    public var unbound: Value { self.wrapped }

    /// Traps when read on another loop.
    public var value: Value {
        self.loop.preconditionIsCurrent()
        return self.wrapped
    }
}

/// Refers to an object of a loop without keeping it alive, so that who carries it elsewhere is never the last to let go.
public struct Weak<Object: AnyObject> {
    public private(set) weak var object: Object?

    public init(_ object: Object) { self.object = object }
}
