internal import CBackend
internal import CProtobufC

/// Which model a worker is to load, and how. What LoadModel and ModelMetadata ask with.
///
/// Holds the fields that Homing makes or its worker obeys. The proxy keeps and replays the bytes it received, and tells
/// equal options by those bytes.
public struct ModelOptions: BackendMessage {
    /// The model; the identity that later requests may name.
    public var model: [UInt8] = []
    /// Tokens that all slots share; 0 leaves it to the worker.
    public var contextSize: Int32 = 0
    /// Path of the model's file on the machine of the caller.
    public var modelFile: [UInt8] = []
    /// Folder in which the worker looks for files that are named without one.
    public var modelPath: [UInt8] = []
    /// `key:value` pairs of the worker's own.
    public var options: [[UInt8]] = []

    public init() {}

    public init(decoding message: RawSpan, in arena: MessageArena) throws(MessageProblem) {
        self = try unsafe arena.decode(message, with: backend__model_options__unpack) {
            unsafe ModelOptions($0.pointee)
        }
    }

    private init(_ options: Backend__ModelOptions) {
        unsafe self.model = options.model.bytes
        unsafe self.contextSize = options.contextsize
        unsafe self.modelFile = options.modelfile.bytes
        unsafe self.modelPath = options.modelpath.bytes
        unsafe self.options = repeated(options.options, options.n_options)
    }

    public func encoded() -> [UInt8] {
        MessageMaking.make { making in
            var options = unsafe Backend__ModelOptions()
            unsafe backend__model_options__init(&options)
            unsafe options.model = making.data(self.model)
            unsafe options.contextsize = self.contextSize
            unsafe options.modelfile = making.data(self.modelFile)
            unsafe options.modelpath = making.data(self.modelPath)
            unsafe options.n_options = self.options.count
            unsafe options.options = making.list(self.options)
            return unsafe making.packed(
                &options, size: backend__model_options__get_packed_size, pack: backend__model_options__pack)
        }
    }

    /// Requests that the worker will run side by side: `parallel:N` or `n_parallel:N` in the options, the last one if
    /// there are several. Nil when no option says so, or none with a number from 1 on; llama.cpp then has one slot.
    public var slots: Int? {
        var slots: Int?
        for option in self.options {
            guard let colon = option.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let key = option[..<colon]
            guard key.elementsEqual("parallel".utf8) || key.elementsEqual("n_parallel".utf8) else { continue }
            if let count = Int(String(decoding: option[(colon + 1)...], as: UTF8.self)), count >= 1 { slots = count }
        }
        return slots
    }
}
