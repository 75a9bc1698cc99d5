// Tiles, cards, decisions, events: what is said in words and numbers.

const standings = {
  available: ["good", "●"], unknown: ["wait", "?"], suspect: ["wait", "▲"], trial: ["wait", "▲"], loading: ["wait", "◔"],
  draining: ["wait", "▽"], not_loaded: ["bad", "○"], unreachable: ["bad", "✕"], ejected: ["bad", "✕"], stalled: ["bad", "✕"],
};
const standing = state => standings[state] || ["wait", "?"];

const reasons = {
  only_candidate: "nobody else could take it", prefix_match: "holds the most of this prompt",
  diverted: "the warm replica was too busy", cold: "nobody held enough of this prompt",
  least_in_flight: "had the fewest streams", power_of_two: "emptier of two at random",
  consistent_hash: "the prompt's head belongs to it", round_robin: "it was its turn",
  sticky: "has what the call is about", primary: "keeps the stores", followed: "holds the prompt that is looked at",
};

function show() {
  const state = page.state;
  if (state.ready) setReady("good", "●", "ready");
  else setReady("bad", "✕", state.readiness);
  setText(byId("asof"), "as of " + clock(state.unix_ms));
  page.minutes = windowMinutes();
  setText(byId("flow-window"), page.minutes === 1 ? "the last minute" : "the last " + page.minutes + " minutes");
  const points = recentPoints(page.minutes);
  const sums = sumByReplica(points);
  showGlance(state, points);
  showFlow(state, points, sums);
  showReplicas(state, sums);
  showTrends();
  showDecisions(state);
  showEvents(state);
}

function showGlance(state, points) {
  const sum = sumOf(points.flatMap(point => point.replicas));
  const seconds = points.length * page.intervalMs / 1000;
  const usable = state.clusters.reduce((all, cluster) => all + cluster.usable_replicas, 0);
  const replicas = state.clusters.reduce((all, cluster) => all + cluster.replicas, 0);
  const waiting = state.clusters.reduce((all, cluster) => all + (cluster.queue ? cluster.queue.waiting : 0), 0);
  const inFlight = state.clusters.reduce((all, cluster) => all + cluster.in_flight, 0);
  const lately = page.minutes + " min";
  const tiles = [
    ["Reused share of prompts", percent(hitShare(sum)), lately],
    ["Time to first token", duration(meanFirst(sum)), "mean, " + lately],
    ["Not computed again", size(sum.matchedBytes), "of " + size(sum.promptBytes) + ", " + lately],
    ["Prompts", seconds ? (sum.prompts / seconds).toFixed(1) : "–", "per second, " + lately],
    ["Streams in flight", whole.format(inFlight), waiting ? waiting + " waiting" : ""],
    ["Replicas usable", usable + " of " + replicas, ""],
  ];
  keyed(byId("glance"), tiles, tile => tile[0],
    tile => make("div", {}, make("dt", {}, tile[0], make("small")), make("dd")),
    (box, tile) => {
      setText(box.querySelector("dd"), tile[1]);
      setText(box.querySelector("small"), tile[2]);
    });
}

function slotsOf(replica) {
  const estimated = replica.estimates ? replica.estimates.slots : 0;
  return replica.max_in_flight || estimated || 0;
}

function gauge(what) {
  return make("div", { class: "gauge", role: "meter", "aria-valuemin": "0", "aria-label": what },
    make("span", { class: "what", text: what }),
    make("span", { class: "track", "aria-hidden": "true" }, make("span", { class: "fill" })),
    make("span", { class: "value" }));
}

function fillGauge(box, share, most, text, isFull) {
  setClass(box, isFull ? "gauge full" : "gauge");
  box.querySelector(".fill").style.width = (most > 0 ? Math.min(100, 100 * share / most) : 0) + "%";
  box.setAttribute("aria-valuemax", most || 1);
  box.setAttribute("aria-valuenow", Math.min(share, most || 1));
  box.setAttribute("aria-valuetext", text);
  setText(box.querySelector(".value"), text);
}

function showReplicas(state, sums) {
  const busiest = Math.max(4, ...state.replicas.map(replica => replica.in_flight));
  keyed(byId("clusters"), state.clusters, cluster => cluster.name,
    cluster => make("div", { class: "cluster" }, make("h3"), make("p", { class: "soft" }),
      make("ul", { class: "cards", role: "list", "aria-label": "Replicas of " + cluster.name })),
    (box, cluster) => {
      setText(box.querySelector("h3"), cluster.name);
      setText(box.querySelector("p"), [
        cluster.models.length ? cluster.models.join(", ") : "every model", words(cluster.policy),
        cluster.usable_replicas + " of " + cluster.replicas + " usable", whole.format(cluster.picks) + " picks",
        cluster.queue && cluster.queue.waiting ? cluster.queue.waiting + " waiting" : null,
      ].filter(part => part !== null).join(" · "));
      keyed(box.querySelector("ul"), state.replicas.filter(replica => replica.cluster === cluster.name),
        replica => replica.id, buildCard, (card, replica) => fillCard(card, replica, sums, busiest));
    });
}

function buildCard() {
  return make("li", {},
    make("div", { class: "top" }, make("h3"),
      make("span", { class: "badge" }, make("span", { class: "mark", "aria-hidden": "true" }),
        make("span", { class: "text" }))),
    make("p", { class: "why" }),
    gauge("In flight"), gauge("Reused"), make("p", { class: "facts" }));
}

function fillCard(card, replica, sums, busiest) {
  const [kind, mark] = standing(replica.state);
  const sum = sums.get(nameOf(replica)) || noTraffic();
  setClass(card, "card " + kind);
  setText(card.querySelector("h3"), replica.id);
  setClass(card.querySelector(".badge"), "badge " + kind);
  setText(card.querySelector(".mark"), mark);
  setText(card.querySelector(".badge .text"), words(replica.state));
  setText(card.querySelector(".why"), (replica.why ? replica.why + ", " : "") + "since " + span(replica.since_ms));
  const [load, reused] = card.querySelectorAll(".gauge");
  const slots = slotsOf(replica);
  fillGauge(load, replica.in_flight, slots || busiest,
    slots ? replica.in_flight + " of " + slots : String(replica.in_flight), slots > 0 && replica.in_flight >= slots);
  const share = hitShare(sum);
  fillGauge(reused, share || 0, 1, percent(share), false);
  const probe = replica.last_probe;
  const facts = [
    ["first token", duration(meanFirst(sum))], ["prompts", whole.format(sum.prompts)],
    ["picks ever", whole.format(replica.picks)], ["blocks held", whole.format(replica.cached_blocks)],
    ["model", replica.model_loaded === null ? "not asked for" : replica.model_loaded ? "loaded" : "none"],
    ["probe", probe === null ? "none yet" : probe.outcome + (probe.latency_ms === null ? "" : " " + duration(probe.latency_ms))],
    replica.evictions ? ["evictions", whole.format(replica.evictions)] : null,
    replica.weight !== 1 ? ["weight", String(replica.weight)] : null,
  ].filter(fact => fact !== null);
  keyed(card.querySelector(".facts"), facts, fact => fact[0],
    fact => make("span", {}, fact[0] + " ", make("b")), (box, fact) => setText(box.querySelector("b"), fact[1]));
}

function buildDecision(pick) {
  const cell = (what, kind) => make("td", { role: "cell", class: kind, "data-what": what });
  return make("tr", { role: "row" }, cell(), cell(), cell(), cell(), cell("held"), cell("prompt", "number"),
    cell("expected", "number"), cell("first token", "number"), cell("in flight"));
}

function fillDecision(row, pick) {
  const cells = row.children;
  setText(cells[0], clock(pick.unix_ms));
  setText(cells[1], pick.method);
  setText(cells[2], pick.replica);
  if (!cells[3].firstChild) {
    cells[3].append(make("span", { class: "pill", text: words(pick.reason), title: reasons[pick.reason] || "" }),
      pick.diverted ? " left a warmer one" : "", pick.retries ? " after " + pick.retries + " failed" : "");
  }
  setText(cells[4], percent(pick.matched_share));
  setText(cells[5], pick.prompt_bytes ? size(pick.prompt_bytes) : "–");
  setText(cells[6], duration(pick.expected_ms));
  setText(cells[7], duration(pick.observed_ms));
  if (cells[8].firstChild) return;
  const loads = make("span", { class: "loads" });
  for (const candidate of pick.candidates) {
    const chosen = candidate.replica === pick.replica;
    loads.append(make("span", {
      class: chosen ? "chosen" : "", text: String(candidate.in_flight),
      title: candidate.replica + (chosen ? ", picked" : "") + ": " + candidate.in_flight + " in flight" +
        (candidate.matched_share === null ? "" : ", held " + percent(candidate.matched_share)),
    }));
  }
  cells[8].append(pick.candidates.length ? loads : "–");
}

function showDecisions(state) {
  const shown = state.decisions.slice(0, page.showsAll ? 40 : 12);
  keyed(byId("decisions").tBodies[0], shown, pick => pick.id, buildDecision, fillDecision);
  byId("no-decisions").hidden = shown.length > 0;
  byId("more").hidden = state.decisions.length <= 12;
}

function showEvents(state) {
  keyed(byId("events"), state.events.slice(0, 20), event => event.id,
    event => make("li", {},
      make("time", { datetime: new Date(event.unix_ms).toISOString(), text: clock(event.unix_ms) }),
      event.level === "info" || event.level === "notice" ? null
        : make("span", { class: "level " + (event.level === "warning" ? "wait" : "bad"), text: event.level }),
      make("span", { text: event.message }),
      make("span", { class: "fields", text: describe(event.fields) })),
    () => {});
  const newest = state.events.length ? state.events[0].id : 0;
  if (page.seenEvent >= 0) {
    const fresh = state.events.filter(event => event.id > page.seenEvent).slice(0, 3);
    if (fresh.length) {
      setText(byId("announcer"), fresh.map(event => event.message + " " + describe(event.fields)).join(". "));
    }
  }
  page.seenEvent = newest;
}

function describe(fields) {
  if (fields.from && fields.to) {
    return [fields.replica, words(fields.from) + " → " + words(fields.to), fields.why].filter(Boolean).join(", ");
  }
  return Object.entries(fields).filter(([, value]) => value).map(([key, value]) => key + " " + value).join(", ");
}
