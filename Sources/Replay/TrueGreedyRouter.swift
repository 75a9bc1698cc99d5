/// The router that all others are measured by: it knows every cache and every queue exactly, and sends each prompt
/// where its own first token comes soonest.
package struct TrueGreedyRouter: Router {
    package init() {}

    package mutating func arrive(_ request: Int, _ simulation: Simulation) -> Int? {
        let requests = simulation.trace.requests
        var best = 0
        var bestSeconds = Double.infinity
        for (position, replica) in simulation.replicas.enumerated() {
            let held = replica.heldAtStart(requests[request].blocks, requests)
            let seconds =
                replica.startSeconds(requests, at: simulation.now)
                + replica.model.prefillSeconds(requests[request], cached: held, decoding: replica.decoding)
                * replica.slowness
            let isSooner = seconds < bestSeconds - 1e-9
            let isEmptier = seconds < bestSeconds + 1e-9 && replica.served < simulation.replicas[best].served
            if isSooner || isEmptier {
                best = position
                bestSeconds = seconds
            }
        }
        return best
    }
}
