/// Carries a value that belongs to one loop through code that may run anywhere. The value is touched on its loop only,
/// which every access checks. The one place where `@unchecked Sendable` stands.
package struct LoopBound<Value>: @unchecked Sendable {
    private let wrapped: Value
    package let loop: Loop

    package init(_ value: Value, on loop: Loop) {
        self.wrapped = value
        self.loop = loop
    }

    /// The value before its loop has anything to do with it, while everything is being put together.
    package var unbound: Value { self.wrapped }

    /// Traps when read on another loop.
    package var value: Value {
        self.loop.preconditionIsCurrent()
        return self.wrapped
    }
}

/// Refers to an object of a loop without keeping it alive, so that who carries it elsewhere is never the last to let go.
package struct Weak<Object: AnyObject> {
    package private(set) weak var object: Object?

    package init(_ object: Object) { self.object = object }
}
