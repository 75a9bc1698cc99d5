// Drawings: prompts that flow to replicas, and the two lines over time. Each says in words what it shows.

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const flowPaths = new Map();

function hatch() {
  return draw("defs", {}, draw("pattern", { id: "hatch", width: 5, height: 5, patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)" }, draw("line", { class: "hatch", x1: 0, y1: 0, x2: 0, y2: 5 })));
}

function widthOf(svg) { return Math.max(240, Math.floor(svg.parentElement.clientWidth - 26)); }

function showFlow(state, points, sums) {
  const svg = byId("flow").querySelector("svg");
  const busiest = state.replicas.map(replica => ({ replica, sum: sums.get(nameOf(replica)) || noTraffic() }));
  const most = 12;
  let lanes = busiest;
  if (lanes.length > most) {
    lanes = [...busiest].sort((a, b) => b.sum.picks - a.sum.picks).slice(0, most);
    setText(byId("flow-more"), "The " + most + " busiest of " + busiest.length + " replicas.");
  }
  const width = widthOf(svg), narrow = width < 520, laneHeight = 50, height = Math.max(1, lanes.length) * laneHeight + 24;
  const hub = 14, ribbonEnd = narrow ? 70 : Math.min(200, width * .2), left = ribbonEnd + 8;
  const slots = page.minutes * 60000 / page.intervalMs, step = (width - left) / slots, end = state.unix_ms;
  const all = lanes.reduce((sum, lane) => sum + lane.sum.picks, 0);
  const tallest = Math.max(1, ...points.flatMap(point => point.replicas.map(share => share.picks)));
  const parts = [hatch()];
  const several = state.clusters.length > 1;
  flowPaths.clear();

  const hubHeight = Math.min(height - 24, Math.max(60, lanes.length * 22));
  const hubTop = (height - 24 - hubHeight) / 2;
  parts.push(draw("rect", { class: "hub", x: 0, y: hubTop, width: hub, height: hubHeight, rx: 4 }));
  let taken = 0;
  lanes.forEach((lane, position) => {
    const middle = position * laneHeight + laneHeight / 2 + 6;
    const share = all ? lane.sum.picks / all : 0;
    const from = hubTop + hubHeight * (all ? taken + share / 2 : (position + .5) / lanes.length);
    taken += share;
    const thick = Math.max(1.5, Math.min(laneHeight - 20, share * hubHeight));
    const reused = hitShare(lane.sum) || 0;
    const path = shift => "M" + hub + " " + (from + shift) + " C" + (ribbonEnd * .55) + " " + (from + shift) + " " +
      (ribbonEnd * .45) + " " + (middle + shift) + " " + ribbonEnd + " " + (middle + shift);
    const solid = draw("path", { class: "ribbon", d: path(thick * (reused - 1) / 2), "stroke-width": Math.max(.8, thick * reused) });
    const anew = draw("path", { class: "ribbon new", d: path(thick * reused / 2), "stroke-width": Math.max(.8, thick * (1 - reused)) });
    if (lane.sum.picks) parts.push(solid, anew);
    flowPaths.set(nameOf(lane.replica), draw("path", { d: path(0) }));

    const base = position * laneHeight + laneHeight - 2, room = laneHeight - 22;
    parts.push(draw("line", { class: "rule", x1: left, x2: width, y1: base, y2: base }));
    const [, mark] = standing(lane.replica.state);
    parts.push(draw("text", { class: "name", x: left, y: position * laneHeight + 14,
      text: mark + " " + (several ? lane.replica.cluster + " / " : "") + lane.replica.id }));
    parts.push(draw("text", { x: width, y: position * laneHeight + 14, "text-anchor": "end",
      text: whole.format(lane.sum.picks) + (narrow ? "" : " prompts") + ", " + percent(hitShare(lane.sum)) + " held" }));
    for (const point of points) {
      const own = point.replicas.find(share => nameOf(share) === nameOf(lane.replica));
      if (!own || !own.picks) continue;
      const x = width - (end - point.unix_ms) / page.intervalMs * step - step;
      if (x < left - 1) continue;
      const tall = Math.max(2, room * own.picks / tallest);
      const held = own.prompt_bytes ? own.matched_bytes / own.prompt_bytes : 0;
      const low = tall * held;
      if (low > .5) parts.push(draw("rect", { class: "reused", x, y: base - low, width: Math.max(1.5, step - 1.5), height: low }));
      if (tall - low > .5) {
        parts.push(draw("rect", { class: "fresh", x: x + .5, y: base - tall, width: Math.max(1, step - 2.5), height: tall - low }));
      }
    }
  });
  const foot = height - 6;
  parts.push(draw("text", { x: left, y: foot, text: page.minutes + " min ago" }));
  parts.push(draw("text", { x: width, y: foot, "text-anchor": "end", text: "now" }));
  const flying = [...svg.querySelectorAll(".dot")];
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  svg.replaceChildren(...parts, ...flying);
  setText(byId("flow-text"), lanes.map(lane => lane.replica.id + ": " + lane.sum.picks + " prompts in " + page.minutes + " minutes, " +
    percent(hitShare(lane.sum)) + " of their bytes held before").join(". ") + ".");
  flyNew(state, svg);
}

// One dot for each new pick, along its ribbon: full where the replica held a part of the prompt, hollow where not.
function flyNew(state, svg) {
  const fresh = state.decisions.filter(pick => !page.seenPicks.has(pick.id));
  const isFirst = page.seenPicks.size === 0;
  page.seenPicks = new Set(state.decisions.map(pick => pick.id));
  if (isFirst || calm.matches || document.hidden) return;
  fresh.slice(0, 24).forEach(pick => {
    const path = flowPaths.get(pick.cluster + " " + pick.replica);
    if (!path) return;
    const dot = draw("circle", { class: pick.matched_share ? "dot" : "dot cold", r: 4, visibility: "hidden" });
    svg.append(dot);
    const length = path.getTotalLength(), begin = performance.now() + Math.random() * 700;
    const move = now => {
      const part = (now - begin) / 800;
      if (part >= 1) return dot.remove();
      if (part > 0) {
        const eased = part * part * (3 - 2 * part), place = path.getPointAtLength(length * eased);
        dot.setAttribute("visibility", "visible");
        dot.setAttribute("cx", place.x);
        dot.setAttribute("cy", place.y);
      }
      requestAnimationFrame(move);
    };
    requestAnimationFrame(move);
  });
}

function showTrends() {
  const minutes = page.minutes === 5 ? 10 : page.minutes;
  const series = value => recentPoints(minutes).map(point => [point.unix_ms, value(sumOf(point.replicas))]);
  drawLine(byId("hit-chart"), series(hitShare), 1, percent, "Reused share of prompts", minutes);
  const times = series(meanFirst);
  const top = niceTop(Math.max(1, ...times.map(([, value]) => value || 0)));
  drawLine(byId("ttft-chart"), times, top, duration, "Mean time to first token", minutes);
}

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map(step => step * power).find(step => step >= value);
}

function drawLine(figure, series, top, label, title, minutes) {
  const svg = figure.querySelector("svg"), width = widthOf(svg), height = 150, left = 48, foot = 20;
  const end = page.state.unix_ms, length = minutes * 60000;
  const x = time => left + (width - left - 6) * (1 - (end - time) / length);
  const y = value => 8 + (height - foot - 8) * (1 - Math.min(1, value / top));
  const parts = [];
  for (const share of [0, .5, 1]) {
    parts.push(draw("line", { class: "rule", x1: left, x2: width, y1: y(top * share), y2: y(top * share) }));
    parts.push(draw("text", { x: left - 6, y: y(top * share) + 4, "text-anchor": "end", text: share ? label(top * share) : "0" }));
  }
  parts.push(draw("text", { x: left, y: height - 3, text: minutes + " min ago" }));
  parts.push(draw("text", { x: width, y: height - 3, "text-anchor": "end", text: "now" }));
  const runs = [[]];
  for (const [time, value] of series) {
    if (value === null) { if (runs.at(-1).length) runs.push([]); continue; }
    if (x(time) >= left) runs.at(-1).push([x(time), y(value)]);
  }
  for (const run of runs.filter(run => run.length)) {
    const line = run.map(([px, py]) => px.toFixed(1) + " " + py.toFixed(1)).join(" L");
    parts.push(draw("path", { class: "area", d: "M" + run[0][0] + " " + y(0) + " L" + line + " L" + run.at(-1)[0] + " " + y(0) + " Z" }));
    parts.push(draw("path", { class: "line", d: "M" + line }));
    if (run.length === 1) parts.push(draw("circle", { class: "point", cx: run[0][0], cy: run[0][1], r: 3 }));
  }
  const known = series.filter(([, value]) => value !== null);
  if (known.length) {
    const last = known.at(-1);
    parts.push(draw("circle", { class: "point", cx: x(last[0]), cy: y(last[1]), r: 3.5 }));
  } else {
    parts.push(draw("text", { x: (left + width) / 2, y: height / 2, "text-anchor": "middle", text: "no prompts yet" }));
  }
  svg.setAttribute("viewBox", "0 0 " + width + " " + height);
  svg.setAttribute("aria-label", title + (known.length ? ": now " + label(known.at(-1)[1]) + ", at the start " + label(known[0][1]) : ": nothing yet"));
  svg.replaceChildren(...parts);
}

addEventListener("resize", () => { if (page.state && !page.paused) show(); });
follow();
