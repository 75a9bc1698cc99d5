import Foundation

/// A comparison as one page that needs nothing else: distribution of the time to first token, and hit share and time to
/// first token over the time of the trace, a curve per policy.
package enum ReplayPage {
    private static let colours = [
        "#d1495b", "#00798c", "#edae49", "#30638e", "#66a182", "#8d5b9a", "#5c4b51", "#f2765d", "#3f7cac", "#95a78d",
        "#b5446e", "#525b76",
    ]
    private static let (width, height) = (760.0, 300.0)

    package static func html(trace: String, _ runs: [(name: String, result: ReplayResult)]) -> String {
        let distribution = runs.map { run in
            let sorted = run.result.ttft.sorted()
            return (0...200).map { step in
                let share = Double(step) / 200
                let position = min(sorted.count - 1, Int(share * Double(sorted.count)))
                return (log10(max(0.001, position < 0 ? 0 : sorted[position])), share)
            }
        }
        let hits = runs.map { Self.overTime($0.result, $0.result.hits) }
        let delays = runs.map { Self.overTime($0.result, $0.result.ttft) }
        let legend = runs.enumerated().map { index, run in
            "<span style=\"color:\(Self.colours[index % Self.colours.count])\">&#9632;</span> \(Self.escaped(run.name))"
        }.joined(separator: " &nbsp; ")
        return """
            <!doctype html><html lang="en"><meta charset="utf-8"><title>homing replay: \(Self.escaped(trace))</title>
            <style>body{font:15px/1.5 system-ui,sans-serif;max-width:800px;margin:2em auto;padding:0 1em}
            svg{width:100%;border:1px solid #ddd;background:#fff}text{font:12px system-ui;fill:#555}
            pre{overflow-x:auto}</style>
            <h1>\(Self.escaped(trace))</h1><p>\(legend)</p>
            <h2>Requests whose first token came within a time</h2>
            \(Self.chart(distribution, x: "seconds, 10 to the", y: "share"))
            <h2>Hit share over time</h2>\(Self.chart(hits, x: "seconds of the trace", y: "hit"))
            <h2>Mean time to first token over time</h2>
            \(Self.chart(delays, x: "seconds of the trace", y: "seconds"))
            <pre>\(Self.escaped(ReplayRow.table(runs.map { ReplayRow(policy: $0.name, $0.result) })))</pre></html>

            """
    }

    /// The mean of `values` in sixty parts of the trace's time.
    private static func overTime(_ result: ReplayResult, _ values: [Double]) -> [(Double, Double)] {
        let end = max(result.arrivals.last ?? 0, 1e-9)
        var sums = [Double](repeating: 0, count: 60)
        var counts = sums
        for (arrival, value) in zip(result.arrivals, values) {
            let part = min(59, Int(arrival / end * 60))
            sums[part] += value
            counts[part] += 1
        }
        return sums.indices.filter { counts[$0] > 0 }.map { (end * (Double($0) + 0.5) / 60, sums[$0] / counts[$0]) }
    }

    private static func chart(_ curves: [[(Double, Double)]], x: String, y: String) -> String {
        let points = curves.flatMap { $0 }
        guard let left = points.map(\.0).min(), let right = points.map(\.0).max(), let top = points.map(\.1).max()
        else { return "<p>Nothing to show.</p>" }
        let (scaleX, scaleY) = (Self.width / max(right - left, 1e-9), Self.height / max(top, 1e-9))
        let lines = curves.enumerated().map { index, curve in
            let text = curve.map { point in
                String(
                    format: "%.1f,%.1f", 40 + (point.0 - left) * scaleX, 10 + Self.height - point.1 * scaleY)
            }.joined(separator: " ")
            let colour = Self.colours[index % Self.colours.count]
            return "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"\(colour)\" points=\"\(text)\"/>"
        }.joined()
        return """
            <svg viewBox="0 0 \(Int(Self.width) + 60) \(Int(Self.height) + 50)">\(lines)
            <text x="40" y="\(Int(Self.height) + 30)">\(String(format: "%.2f", left))</text>
            <text x="\(Int(Self.width))" y="\(Int(Self.height) + 30)">\(String(format: "%.2f", right)) \(x)</text>
            <text x="2" y="14">\(String(format: "%.2f", top)) \(y)</text></svg>
            """
    }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: "\"", with: "&quot;")
    }
}
