// The chosen edge: its record, its sides, its last rewire and its history.

import { cells, el, keep, list, say, set } from "./dom.js";
import { bytes, clock, count, rate, share, short, took } from "./format.js";
import { tones } from "./model.js";
import { phases, showRewire } from "./rewire.js";

const sideHeads = ["", "producer", "consumer"];
const historyHeads = ["at", "generation", "node", "reason", "followed in", "by session", "spare", "revision", "detail"];

// makeDetails makes the section of a chosen edge, which stands below its pipeline's drawing.
export function makeDetails(actions) {
  const part = (title, ...kids) => el("section", {}, el("h4", { text: title }), ...kids);
  const table = (heads, name) => el("div", { class: `scroll ${name}`, tabindex: "0", role: "region", "aria-label": name },
    el("table", { class: name === "history" ? "stack" : null }, el("thead", {}, el("tr", {}, ...heads.map(h => el("th", { scope: "col", text: h })))), el("tbody")));
  const d = el("section", { class: "details", tabindex: "-1", "aria-label": "the chosen edge" },
    el("div", { class: "bar" }, el("h3"), el("p", { class: "chip" }), el("p", { class: "buttons" },
      el("button", { type: "button", class: "move", text: "Relocate…", on: { click: actions.relocate } }),
      el("button", { type: "button", class: "close", text: "Close", on: { click: actions.close } }))),
    el("div", { class: "columns" }, part("Record", el("dl", { class: "record" })), part("Sides", table(sideHeads, "sides")),
      el("section", { class: "rewire" })),
    part("History, newest first", table(historyHeads, "history"), el("p", { class: "dim" })));
  d.addEventListener("keydown", e => e.key === "Escape" && actions.close());
  return d;
}

// showDetails shows edge e. More is what was asked for besides: its changes, the traces of its rewires, and why either is missing.
export function showDetails(d, e, model, more) {
  const s = model.standing(e);
  say(d.querySelector("h3"), e.name);
  const chip = d.querySelector(".chip");
  say(chip, (s.state || "not told") + (s.since && s.state !== "flowing" ? ` since ${clock(s.since)}` : ""));
  set(chip, "data-tone", tones[s.state] ?? "none");
  list(d.querySelector(".record"), record(e, s, model));
  showSides(d.querySelector("tbody"), e, s, model);
  showRewire(d.querySelector(".rewire"), more.traces);
  showHistory(d.lastElementChild, more, model);
}

function record(e, s, model) {
  const at = e.locator ?? {};
  const lease = model.leases.get(at.arena);
  const spare = e.spare;
  return [
    ["generation", e.generation],
    ["locator", at.arena ? `${at.kind} ${at.arena}` : "none", "code"],
    ["on node", `${model.name(at.node)}, ${at.zone || "no zone"}, ${at.address ?? "–"}`],
    ["lease", lease ? `${lease.status}, ${took(lease.ttl_ns)} term, since ${clock(lease.granted)}, node's start ${lease.incarnation}` : "none in force", lease ? "" : "bad"],
    ["capacity", bytes(e.capacity)],
    ["retained", s.items === undefined ? "" : `${count(s.items)} items, ${bytes(s.bytes)}, ${share(s.fill)} of the ring`],
    ["lag", s.producer ? took(s.lag) : ""],
    ["spare", spare ? `generation ${spare.generation} on ${model.name(spare.locator.node)}${spare.planned ? ", to be moved to" : ""}` : "none is armed"],
    ["codec", e.codec, "code"],
    ["changed", `${clock(e.changed)}, ${e.reason}, revision ${e.revision}`],
  ];
}

function showSides(body, e, s, model) {
  const of = f => [f(e.producer, s.producer), f(e.consumer, s.consumer)];
  const rows = [
    ["stage", ...of(side => side.stage || "–")],
    ["process", ...of(side => (side.session ? `on ${model.name(side.node)}, session ${short(side.session)}` : "nobody has the role"))],
    ["since generation", ...of(side => side.epoch || "–")],
    ["state", ...of((_, r) => (r ? `${r.state} since ${clock(r.since)}` : "not told"))],
    ["in generation", ...of((_, r) => r?.generation ?? "–")],
    ["items", ...of((_, r) => (r ? `${count(r.items)}, ${rate(model.rateOf(r)?.perSecond)}/s` : "–"))],
    ["retained", s.producer ? `${count(s.producer.retained)} until their ack` : "–", s.consumer ? `${count(s.consumer.retained)} in hand` : "–"],
    ["repeats", ...of((_, r) => r?.repeats ?? "–")],
    ["rings bound", ...of((_, r) => (r ? r.rebinds + 1 : "–"))],
    ["writes fenced", ...of((_, r) => r?.fenced ?? "–")],
  ];
  const all = keep(body, rows.map(r => r[0]), () => el("tr"));
  for (const r of rows) cells(all.get(r[0]), sideHeads, r);
}

function showHistory(part, more, model) {
  const changes = [...more.changes].reverse();
  const rows = keep(part.querySelector("tbody"), changes.map(c => String(c.revision)), () => el("tr"));
  changes.forEach((c, i) => {
    const took = c.generation !== changes[i + 1]?.generation ? followed(more.traces, c.generation) : "";
    cells(rows.get(String(c.revision)), historyHeads, [clock(c.time), c.generation, model.name(c.node), c.reason, took, short(c.actor), c.spare || "–", c.revision, c.detail ?? ""]);
  });
  say(part.lastElementChild, more.error || (changes.length ? "" : "…"));
}

// followed is how long the slower side took to the first new item in that generation.
function followed(traces, generation) {
  const all = traces.filter(t => t.generation === generation).map(t => phases(t).at(-1).until);
  return all.length ? took(Math.max(...all)) : "";
}
