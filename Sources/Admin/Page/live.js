"use strict";
// What the page knows, how it gets it, and small tools. Every text from outside is set as text, never as markup.

const page = {
  state: null, points: new Map(), intervalMs: 5000, paused: false, minutes: 5, seenEvent: -1, showsAll: false, seenPicks: new Set(),
};
const byId = id => document.getElementById(id);
const svgNamespace = document.querySelector("svg").namespaceURI;
const whole = new Intl.NumberFormat("en");

function make(name, properties = {}, ...children) {
  const made = document.createElement(name);
  return dress(made, properties, children);
}

function draw(name, properties = {}, ...children) {
  const made = document.createElementNS(svgNamespace, name);
  return dress(made, properties, children);
}

function dress(made, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setClass(element, name) {
  if (element.getAttribute("class") !== name) element.setAttribute("class", name);
}

// Keeps one child for each item, so that focus and selection survive; `fill` writes what has changed.
function keyed(parent, items, keyOf, build, fill) {
  const old = new Map([...parent.children].map(child => [child.dataset.key, child]));
  let place = null;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = old.get(key);
    if (!child) {
      child = build(item);
      child.dataset.key = key;
    }
    old.delete(key);
    const next = place ? place.nextSibling : parent.firstChild;
    if (next !== child) parent.insertBefore(child, next);
    fill(child, item);
    place = child;
  }
  for (const child of old.values()) child.remove();
}

function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s / 60) % 60 + " min";
  return Math.floor(s / 86400) + " d " + Math.floor(s / 3600) % 24 + " h";
}

function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return ms.toFixed(1) + " ms";
  if (ms < 1000) return Math.round(ms) + " ms";
  return (ms / 1000).toFixed(ms < 10000 ? 2 : 1) + " s";
}

function size(bytes) {
  if (bytes < 1000) return bytes + " B";
  if (bytes < 1e6) return (bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0) + " KB";
  if (bytes < 1e9) return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0) + " MB";
  return (bytes / 1e9).toFixed(1) + " GB";
}

const percent = share => share === null || Number.isNaN(share) ? "–" : Math.round(share * 100) + " %";
const clock = unixMs => new Date(unixMs).toLocaleTimeString([], { hour12: false });
const words = name => name.replaceAll("_", " ");

// MARK: the stream

function token() { return sessionStorage.getItem("homing-token"); }

function setReady(kind, mark, text) {
  const ready = byId("ready");
  setClass(ready, "badge " + kind);
  setText(ready.querySelector(".mark"), mark);
  setText(ready.querySelector(".text"), text);
}

async function follow() {
  for (let wait = 500; ; wait = Math.min(wait * 2, 10000)) {
    try {
      const headers = token() ? { Authorization: "Bearer " + token() } : {};
      const answer = await fetch("/api/stream", { headers, cache: "no-store" });
      if (answer.status === 401) return askForToken();
      if (!answer.ok) throw new Error("status " + answer.status);
      byId("door").hidden = true;
      byId("house").hidden = false;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let kept = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        kept += value;
        const parts = kept.split("\n\n");
        kept = parts.pop();
        for (const part of parts) {
          const data = part.split("\n").find(line => line.startsWith("data: "));
          if (data) take(JSON.parse(data.slice(6)));
        }
        wait = 500;
      }
    } catch (error) {
      // Said below; it is tried again.
    }
    setReady("bad", "✕", "no answer from the admin port; trying again");
    await new Promise(resolve => setTimeout(resolve, wait));
  }
}

function take(state) {
  page.intervalMs = state.history.interval_ms;
  for (const point of state.history.points) page.points.set(point.unix_ms, point);
  const oldest = state.unix_ms - 11 * 60000;
  for (const time of page.points.keys()) if (time < oldest) page.points.delete(time);
  page.state = state;
  if (!page.paused) show();
}

function askForToken() {
  setReady("wait", "⚿", "token needed");
  setText(byId("door-note"), token() ? "That token was not accepted." : "");
  sessionStorage.removeItem("homing-token");
  byId("door").hidden = false;
  byId("house").hidden = true;
  byId("token").focus();
}

byId("door").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem("homing-token", byId("token").value);
  byId("token").value = "";
  follow();
});

byId("pause").addEventListener("click", () => {
  page.paused = !page.paused;
  byId("pause").setAttribute("aria-pressed", page.paused);
  setText(byId("pause"), page.paused ? "Paused" : "Pause");
  if (!page.paused && page.state) show();
});

byId("more").addEventListener("click", () => {
  page.showsAll = !page.showsAll;
  byId("more").setAttribute("aria-expanded", page.showsAll);
  setText(byId("more"), page.showsAll ? "Show fewer" : "Show more");
  if (page.state) showDecisions(page.state);
});

// MARK: sums over the last minutes

// How far back the page looks: five minutes, less while the process is young.
function windowMinutes() {
  const age = (page.state.unix_ms - Math.min(...page.points.keys(), page.state.unix_ms)) / 60000;
  return [1, 2, 5].find(minutes => age <= minutes) || 5;
}

// Points of the last `minutes`, oldest first.
function recentPoints(minutes) {
  const since = page.state.unix_ms - minutes * 60000;
  return [...page.points.values()].filter(point => point.unix_ms > since).sort((a, b) => a.unix_ms - b.unix_ms);
}

function noTraffic() {
  return { picks: 0, prompts: 0, hits: 0, promptBytes: 0, matchedBytes: 0, firsts: 0, firstMs: 0 };
}

function addShare(sum, share) {
  sum.picks += share.picks;
  sum.prompts += share.prompts;
  sum.hits += share.hits;
  sum.promptBytes += share.prompt_bytes;
  sum.matchedBytes += share.matched_bytes;
  sum.firsts += share.first_responses;
  sum.firstMs += share.first_responses * (share.first_response_ms || 0);
  return sum;
}

const nameOf = share => share.cluster + " " + (share.replica ?? share.id);
const hitShare = sum => sum.promptBytes ? sum.matchedBytes / sum.promptBytes : null;
const meanFirst = sum => sum.firsts ? sum.firstMs / sum.firsts : null;

function sumByReplica(points) {
  const sums = new Map();
  for (const point of points) {
    for (const share of point.replicas) {
      const name = nameOf(share);
      if (!sums.has(name)) sums.set(name, noTraffic());
      addShare(sums.get(name), share);
    }
  }
  return sums;
}

function sumOf(shares) { return shares.reduce(addShare, noTraffic()); }
