/// The methods that the proxy itself calls on a replica (`:path` of gRPC over HTTP/2).
enum BackendPath {
    static let health = "/backend.Backend/Health"
    static let loadModel = "/backend.Backend/LoadModel"
    static let free = "/backend.Backend/Free"
    static let grpcHealthCheck = "/grpc.health.v1.Health/Check"
    static let status = "/backend.Backend/Status"
    static let getMetrics = "/backend.Backend/GetMetrics"
    static let tokenizeString = "/backend.Backend/TokenizeString"
}
