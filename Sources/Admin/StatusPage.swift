/// The page at `/`: who the replicas are and how they do, refreshed every two seconds. It needs nothing but this port.
///
/// Everything that comes from outside (names, addresses, reasons) is put in as text, never as markup, and the content
/// security policy lets no script run but the page's own.
enum StatusPage {
    /// A fresh word of 26 characters for one answer, by which the browser knows the page's own script and style.
    static func nonce() -> String {
        var generator = SystemRandomNumberGenerator()
        let letters = Array("abcdefghijklmnopqrstuvwxyz234567")
        return String((0..<26).map { _ in letters[Int.random(in: 0..<32, using: &generator)] })
    }

    static func contentSecurityPolicy(nonce: String) -> String {
        "default-src 'none'; connect-src 'self'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; "
            + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    }

    static func html(nonce: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Homing</title>
        <link rel="icon" href="data:,">
        <style nonce="\(nonce)">\(self.style)</style>
        </head>
        <body>
        <header><h1>Homing</h1><p id="ready" role="status">…</p></header>
        <main>
        <noscript><p>This page needs JavaScript; see <a href="/api/replicas">/api/replicas</a>.</p></noscript>
        <div id="clusters"></div>
        </main>
        <footer><a href="/api/replicas">replicas</a> <a href="/api/clusters">clusters</a> <a href="/metrics">metrics</a>
        <span id="age"></span></footer>
        <script nonce="\(nonce)">\(self.script)</script>
        </body>
        </html>

        """
    }

    private static let style = """

        :root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --line: #d1d9e0; --paper: #fff;
          --good: #1a7f37; --bad: #cf222e; --wait: #9a6700; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #3d444d;
          --paper: #0d1117; --good: #3fb950; --bad: #f85149; --wait: #d29922; } }
        body { margin: 0 auto; max-width: 80rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
          font: 15px/1.5 system-ui, sans-serif; }
        header { display: flex; align-items: baseline; gap: 1rem; }
        h1 { font-size: 1.4rem; margin: 0; }
        h2 { font-size: 1.1rem; margin: 1.5rem 0 0; }
        p { margin: 0; color: var(--soft); }
        div.scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; margin-top: .5rem; font-variant-numeric: tabular-nums; }
        th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);
          white-space: nowrap; }
        th { color: var(--soft); font-weight: 500; }
        .number { text-align: right; }
        .good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); }
        footer { margin-top: 2rem; color: var(--soft); display: flex; gap: 1rem; }
        a { color: inherit; }

        """

    private static let script = """

        "use strict";
        const columns = [
          ["Replica", r => r.id], ["Address", r => r.address],
          ["State", r => r.state, r => r.usable ? "good" : r.state === "draining" ? "wait" : "bad"],
          ["Since", r => span(r.since_ms)], ["Why", r => r.why],
          ["In flight", r => r.in_flight, "number"], ["Picks", r => r.picks, "number"],
          ["Blocks", r => r.cached_blocks, "number"], ["Weight", r => r.weight, "number"],
          ["Model", r => r.model_loaded === null ? "unknown" : r.model_loaded ? "loaded" : "none"],
          ["Last probe", r => r.last_probe === null ? "none yet" : r.last_probe.outcome + ", " +
            (r.last_probe.latency_ms === null ? "" : r.last_probe.latency_ms.toFixed(1) + " ms, ") +
            span(r.last_probe.age_ms) + " ago"],
          ["Evictions", r => r.evictions, "number"],
        ];

        function span(ms) {
          const s = Math.floor(ms / 1000);
          if (s < 60) return s + " s";
          if (s < 3600) return Math.floor(s / 60) + " min " + s % 60 + " s";
          if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s / 60) % 60 + " min";
          return Math.floor(s / 86400) + " d " + Math.floor(s / 3600) % 24 + " h";
        }

        function element(name, text, className) {
          const made = document.createElement(name);
          if (text !== undefined) made.textContent = text;
          if (className) made.className = className;
          return made;
        }

        function table(replicas) {
          const head = element("tr");
          for (const [title, , kind] of columns) {
            const cell = element("th", title, kind === "number" ? kind : "");
            cell.scope = "col";
            head.append(cell);
          }
          const body = element("tbody");
          for (const replica of replicas) {
            const row = element("tr");
            for (const [, value, kind] of columns) {
              row.append(element("td", value(replica), typeof kind === "function" ? kind(replica) : kind));
            }
            body.append(row);
          }
          const whole = element("table");
          const top = element("thead");
          top.append(head);
          whole.append(top, body);
          const scroll = element("div", undefined, "scroll");
          scroll.append(whole);
          return scroll;
        }

        async function refresh() {
          const ready = document.getElementById("ready");
          const age = document.getElementById("age");
          try {
            const limit = { signal: AbortSignal.timeout(5000) };
            const [verdict, clusters, replicas] = await Promise.all([
              fetch("/ready", limit), fetch("/api/clusters", limit), fetch("/api/replicas", limit)]);
            const lists = [(await clusters.json()).clusters, (await replicas.json()).replicas];
            ready.textContent = await verdict.text();
            ready.className = verdict.ok ? "good" : "bad";
            document.getElementById("clusters").replaceChildren(...lists[0].flatMap(cluster => [
              element("h2", cluster.name),
              element("p", (cluster.models.length ? cluster.models.join(", ") : "every model") + " · " +
                cluster.policy + " · " + cluster.usable_replicas + " of " + cluster.replicas + " replicas usable · " +
                cluster.in_flight + " in flight · " + cluster.queue.waiting + " waiting · " + cluster.picks + " picks · " +
                cluster.index_blocks + " blocks remembered"),
              table(lists[1].filter(replica => replica.cluster === cluster.name)),
            ]));
            age.textContent = "as of " + new Date().toLocaleTimeString();
          } catch (error) {
            ready.textContent = "no answer from the admin port";
            ready.className = "bad";
          }
          setTimeout(refresh, 2000);
        }

        refresh();

        """
}
