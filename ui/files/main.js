// The page: what is known goes into the model, and what the model says is shown, at most once a frame.

import { drain, relocate } from "./actions.js";
import { ask, follow } from "./api.js";
import { cells, el, keep, list, say, set } from "./dom.js";
import { makeDetails, showDetails } from "./edge.js";
import { draw } from "./draw.js";
import { bytes, clock, count, plural, rate, share, short, took } from "./format.js";
import { compare, Model, tones } from "./model.js";
import { showNodes } from "./nodes.js";
import { pipelines } from "./pipelines.js";

const $ = id => document.getElementById(id);
const drawnMax = 12; // pipelines
const edgesMax = 150; // of one
const rowsMax = 300;
const edgeHeads = ["edge", "state", "items/s", "bytes/s", "fill", "lag", "generation", "ring on", "spare on", "producer", "consumer", "last change"];

const model = new Model();
const more = { changes: [], traces: [], error: "" }; // of the chosen edge
let chosen = "";
let status = null;
let health = null;
let lost = ""; // since when no stream comes

const details = makeDetails({ relocate: () => model.edges.has(chosen) && relocate(model.edges.get(chosen), model), close: () => choose("") });

// choose shows an edge's details, or none. The address keeps it, so that it can be sent to somebody.
function choose(name, focus = true) {
  const was = chosen;
  chosen = name === chosen ? "" : name;
  Object.assign(more, { changes: [], traces: [], error: "" });
  history.replaceState(null, "", chosen ? `#edge=${encodeURIComponent(chosen)}` : location.pathname);
  show();
  if (chosen) {
    lookAt(chosen);
    if (focus) details.focus({ preventScroll: true });
    details.scrollIntoView({ block: "nearest" });
  } else if (focus) document.querySelector(`.ring[data-edge="${CSS.escape(was)}"]`)?.focus();
}

async function lookAt(name) {
  try {
    const path = `/v1/edges/${encodeURIComponent(name)}/history?consistency=stale`;
    const [changes, reports] = await Promise.all([ask("GET", path), ask("GET", `/v1/reports?traces=true&prefix=${encodeURIComponent(name)}`)]);
    if (name !== chosen) return;
    Object.assign(more, { changes, traces: reports.traces.filter(t => t.edge === name), error: "" });
  } catch (refused) {
    if (name === chosen) more.error = refused.message;
  }
  later();
}

// later has the page shown anew in the next frame, or after a pause if the last time took long.
let asked = false;
let cost = 0; // of the last time, milliseconds
function later() {
  if (asked) return;
  asked = true;
  setTimeout(() => requestAnimationFrame(began => {
    asked = false;
    show();
    cost = performance.now() - began;
  }), cost > 10 ? 5 * cost : 0);
}

function show() {
  model.count();
  showFacts();
  showNodes($("nodes"), model, node => drain(node, model));
  const edges = [...model.edges.values()].filter(e => e.name.startsWith($("filter").value.trim()));
  showPipelines(edges);
  showEdges(edges.sort((a, b) => compare(a.name, b.name)).slice(0, rowsMax));
  showLog();
}

function showFacts() {
  const leader = [...model.polled.values()].find(n => n.leader);
  list($("facts"), [
    ["cluster", status?.cluster, "code"],
    ["leader", model.polled.size ? (leader?.name ?? "none") : "", leader ? "" : "bad"],
    ["health", health && (health.healthy ? `good, ${plural(Math.max(0, health.margin), "voter")} to spare` : "not good"), health?.healthy ? "good" : "bad"],
    ["shown by", status && `${status.name}, ${status.version}`],
    ["revision", model.revision || ""],
  ]);
  say($("live"), lost ? `not live since ${clock(lost)}` : model.loaded ? "live" : "connecting");
  set($("live"), "data-is", lost ? "lost" : model.loaded ? "live" : "wait");
  document.title = lost ? "! grafnode" : "grafnode";
  const problems = [...new Set([...(trouble ? [trouble] : []), ...(health?.problems ?? []), ...(status?.problems ?? []),
    ...model.unheard.map(n => `${n.name || short(n.node)} was not heard (${n.why}): what its stages report is missing`)])];
  say($("banner"), problems.join("\n"));
  if (problems.length > 0 && $("banner").hidden) say($("said"), problems.join(". ")); // once: how long something lasts changes all the time
  $("banner").hidden = problems.length === 0;
}

function showPipelines(edges) {
  const all = pipelines(edges);
  const drawn = all.slice(0, drawnMax);
  const figures = keep($("drawings"), drawn.map(p => p.name), () => el("article", {}, el("div", { class: "bar" }, el("h3"), el("p", { class: "dim" })), el("div", { class: "scroll drawing" })));
  for (const p of drawn) {
    const figure = figures.get(p.name);
    const [title, told] = figure.firstChild.children;
    say(title, p.name);
    say(told, summary(p.edges));
    draw(figure.children[1], { ...p, edges: p.edges.slice(0, edgesMax) }, model, chosen, choose);
    const holds = p.edges.some(e => e.name === chosen);
    if (holds && details.parentNode !== figure) figure.append(details);
  }
  if (!drawn.some(p => p.edges.some(e => e.name === chosen))) details.remove();
  else showDetails(details, model.edges.get(chosen), model, more);
  say($("count"), all.length > drawnMax ? `${drawnMax} of ${all.length} are drawn: say more of the name` : "");
  $("empty").hidden = edges.length > 0 || !model.loaded;
  say($("empty"), model.edges.size ? "No edge has such a name." : "No edges. The first run of a pipeline makes them.");
}

function summary(edges) {
  const states = Map.groupBy(edges.map(e => model.standing(e)), s => s.state || "not told");
  const some = edges.length > edgesMax ? `, of which the first ${edgesMax} are drawn` : "";
  return `${plural(edges.length, "edge")}${some}: ${[...states].map(([state, all]) => `${all.length} ${state}`).join(", ")}`;
}

function showEdges(edges) {
  const rows = keep($("edges"), edges.map(e => e.name), name => {
    const tr = el("tr");
    cells(tr, edgeHeads, edgeHeads.map(() => ""));
    for (const i of [2, 3, 4, 5, 6]) tr.cells[i].className = "n";
    tr.cells[0].append(el("button", { type: "button", class: "link", text: name, on: { click: () => choose(name) } }));
    return tr;
  });
  const holder = side => (side.session ? `${side.stage} on ${model.name(side.node)}` : side.stage ? `${side.stage}: nobody` : "nobody");
  for (const e of edges) {
    const s = model.standing(e);
    const tr = rows.get(e.name);
    cells(tr, edgeHeads, [undefined, s.state || "not told", rate(s.flow?.perSecond), s.flow?.bytesPerSecond === undefined ? "–" : bytes(s.flow.bytesPerSecond), share(s.fill),
      s.producer ? (s.items || s.lag ? `${count(s.items)} / ${took(s.lag)}` : "0") : "–", e.generation, model.name(e.locator?.node), e.spare ? model.name(e.spare.locator.node) : "–",
      holder(e.producer), holder(e.consumer), `${clock(e.changed)} ${e.reason}`]);
    set(tr.cells[1], "data-tone", tones[s.state] ?? null);
    set(tr.cells[4], "data-tone", s.fill > 0.8 ? "warn" : null);
    set(tr.cells[0].firstChild, "aria-expanded", e.name === chosen);
    set(tr, "class", e.name === chosen ? "chosen" : null);
  }
}

let spokenOf = 0;
function showLog() {
  const rows = keep($("log"), model.log.map(l => String(l.key)), () => el("li", {}, el("time"), el("span")));
  for (const l of model.log) {
    const [time, text] = rows.get(String(l.key)).children;
    say(time, clock(l.at));
    say(text, l.text);
    set(text, "data-tone", l.tone);
  }
  $("quiet").hidden = model.log.length > 0;
}

// speak tells who does not see the page what has changed, not more often than can be listened to.
function speak() {
  const news = model.log.filter(l => l.key > spokenOf);
  if (!news.length) return;
  spokenOf = news[0].key;
  say($("said"), news.length === 1 ? news[0].text : `${news.length} changes, the last: ${news[0].text}`);
}

let trouble = ""; // why the API answers nothing

// every asks again and again; who looks elsewhere, or a node that is slow, is asked for less.
async function every(ms, f) {
  for (;;) {
    const began = performance.now();
    if (!document.hidden) {
      try {
        await f();
        later();
      } catch { /* the stream says so, or the next answer will be better */ }
    }
    await new Promise(done => setTimeout(done, Math.max(ms, 4 * (performance.now() - began))));
  }
}

const lookAtNodes = async () => model.poll(await ask("GET", "/v1/nodes?consistency=stale", undefined, 4_000));
let looking = 0;

function take(event) {
  const kind = model.take(event);
  if (kind === "edge" && event.edge.name === chosen) lookAt(chosen);
  if (kind === "lease" && model.loaded && !looking) {
    looking = setTimeout(() => { // its bytes come or go: the node's sum is asked for soon, once for many
      looking = 0;
      lookAtNodes().then(later, () => {});
    }, 250);
  }
  if (kind || event.type === "bookmark") later();
}

// named returns the edge that the address names, or none if somebody has cut it off.
function named() {
  try {
    return decodeURIComponent(/^#edge=(.+)$/.exec(location.hash)?.[1] ?? "");
  } catch {
    return "";
  }
}

function start() {
  if (named()) choose(named(), false);
  $("filter").addEventListener("input", later);
  window.addEventListener("resize", later);
  window.addEventListener("hashchange", () => {
    if (named() && named() !== chosen) choose(named());
  });
  follow("kind=edge,node,lease,session", {
    begin: () => {
      model.begin();
      [lost, trouble] = ["", ""];
      later();
    },
    event: take,
    ended: why => {
      lost ||= new Date().toISOString();
      const others = [...model.nodes.values()].filter(n => n.id !== status?.node).map(n => `${location.protocol}//${n.address}/ui/`);
      trouble = why.status ? `This node refuses to tell: ${why.message}.` : `${why.message}. What is shown is what was known then${others.length ? "; other nodes: " + others.join(" ") : ""}.`;
      later();
    },
  });
  every(1_000, async () => model.report(await ask("GET", "/v1/reports", undefined, 4_000), performance.now() / 1e3));
  every(1_000, async () => chosen && lookAt(chosen));
  every(2_000, lookAtNodes);
  every(2_000, async () => (status = await ask("GET", "/v1/status", undefined, 4_000)));
  every(5_000, async () => (health = await ask("GET", "/v1/operator/health", undefined, 4_000)));
  setInterval(speak, 2_000);
}

start();
