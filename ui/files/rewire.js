// The last rewire of an edge as a timeline: a row for each side, a stretch for each phase; see api.Rewire.

import { el, keep, say, set, svg } from "./dom.js";
import { clock, took } from "./format.js";

const names = ["decided", "attached", "resumed", "first"];
const words = { decided: "next ring known", attached: "attached", resumed: "position agreed", first: "first new item" };

// phases are the stretches of a rewire between its marks, in nanoseconds from when it was noticed.
export function phases(t) {
  let from = 0;
  return names.filter(n => n !== "first" || t.first_ns >= 0).map(name => {
    const p = { name, from, until: Math.max(from, t[`${name}_ns`]) };
    from = p.until;
    return p;
  });
}

// showRewire shows the newest generation's, of those that were told.
export function showRewire(part, traces) {
  if (!part.firstChild) part.append(el("h4"), el("p", { class: "dim" }), el("div", { class: "rows" }), el("table"));
  const [title, note, rows, table] = part.children;
  const newest = Math.max(...traces.map(t => t.generation));
  const last = ["producer", "consumer"].map(role => traces.findLast(t => t.role === role && t.generation === newest)).filter(Boolean);
  say(title, last.length ? `Last rewire, generation ${Math.min(...last.map(t => t.from))} to ${newest}` : "Last rewire");
  if (!last.length) {
    say(note, "None was told of since the nodes were started.");
    rows.replaceChildren();
    rows.kept = undefined;
    return table.replaceChildren();
  }
  const begin = Math.min(...last.map(t => Date.parse(t.noticed)));
  const spans = last.map(t => ({ t, at: (Date.parse(t.noticed) - begin) * 1e6, all: phases(t) }));
  const end = Math.max(1, ...spans.map(s => s.at + s.all.at(-1).until));
  const first = last[0];
  say(note, `${first.reason}${last.some(t => t.spare) ? ", to the spare" : ""}; noticed ${clock(begin, true)}, ${took(end)} in all${last.length > 1 ? "; two hosts' clocks" : ""}`);
  drawRows(rows, spans, end);
  tell(table, spans);
}

function drawRows(rows, spans, end) {
  const all = keep(rows, spans.map(s => s.t.role), role => el("div", {}, el("span", { text: role }), svg("svg", { "aria-hidden": "true", height: 16 })));
  for (const s of spans) {
    const bars = keep(all.get(s.t.role).lastElementChild, s.all.map(p => p.name), name => svg("rect", { class: `phase ${name}`, y: 2, height: 12 }));
    for (const p of s.all) {
      set(bars.get(p.name), "x", `${(100 * (s.at + p.from)) / end}%`);
      set(bars.get(p.name), "width", `${Math.max(p.until > p.from ? 0.4 : 0, (100 * (p.until - p.from)) / end)}%`);
    }
  }
}

function tell(table, spans) {
  const head = [el("th", { scope: "col", text: "phase" }), ...spans.map(s => el("th", { scope: "col", class: "n", text: s.t.role }))];
  const line = (name, swatch, texts) => el("tr", {}, el("th", { scope: "row" }, ...swatch, name), ...texts.map(text => el("td", { class: "n", text })));
  const swatch = name => [svg("svg", { width: 10, height: 10, "aria-hidden": "true" }, svg("rect", { class: `phase ${name}`, width: 10, height: 10 }))];
  const body = names.map(name => line(words[name], swatch(name), spans.map(s => {
    const p = s.all.find(q => q.name === name);
    return p ? took(p.until - p.from) : "left before";
  })));
  const key = spans.map(s => `${s.t.role} ${s.t.generation} ${s.t.noticed}`).join();
  if (table.dataset.shows === key) return; // a selection in it stays
  table.dataset.shows = key;
  table.replaceChildren(el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body, line("all", [], spans.map(s => took(s.all.at(-1).until)))));
}
