// The table of nodes.

import { cells, el, keep, meter, say, set } from "./dom.js";
import { bytes } from "./format.js";

const heads = ["node", "zone", "health", "part", "memory leased", "rings", "spares", "stages", "address", "version", "to do"];

// showNodes fills the table. Drain is called with a node whose button was pressed.
export function showNodes(body, model, drain) {
  const nodes = model.nodesInOrder();
  const rows = keep(body, nodes.map(n => n.id), id => row(id, model, drain));
  for (const n of nodes) dress(rows.get(n.id), n, model);
}

function row(id, model, drain) {
  const tr = el("tr", { "data-node": id });
  cells(tr, heads, heads.map(() => ""));
  for (const i of [5, 6, 7]) tr.cells[i].className = "n";
  tr.cells[4].append(el("span", { class: "figure" }));
  tr.cells[10].className = "do";
  tr.cells[10].append(el("button", { type: "button", on: { click: () => drain(model.nodes.get(id)) } }));
  return tr;
}

function dress(tr, n, model) {
  const now = model.polled.get(n.id);
  const lent = model.lent(n.id);
  const part = [now?.leader ? "leader" : now?.voter ? "voter" : now ? "no vote" : "", n.drain && left(lent), n.ineligible && "takes nothing new"].filter(Boolean).join(", ");
  cells(tr, heads, [n.name, n.zone, now?.health ?? "not told", part, undefined, lent.rings, lent.spares, lent.stages, n.address, n.version || "–", undefined]);
  set(tr.cells[0], "title", n.id);
  set(tr.cells[2], "data-tone", now ? (now.health === "alive" ? "good" : "bad") : null);
  set(tr.cells[3], "data-tone", n.drain || n.ineligible ? "warn" : null);
  say(tr.cells[4].firstChild, now ? `${bytes(now.leased)} of ${bytes(n.memory)}` : `– of ${bytes(n.memory)}`);
  meter(tr.cells[4], now ? now.leased / n.memory : 0, now?.leased > 0.9 * n.memory ? "warn" : null);
  const button = tr.cells[10].firstChild;
  say(button, n.drain ? "Enable…" : "Drain…");
  set(button, "aria-label", `${n.drain ? "Enable" : "Drain"} ${n.name}`);
}

const left = lent => (lent.rings + lent.spares === 0 ? "drained" : `draining, ${lent.rings + lent.spares} left`);
