// The drawings of the pipelines.

import { keep, say, set, svg } from "./dom.js";
import { cut, rate, share } from "./format.js";
import { tones } from "./model.js";
import { ends, layout, nowhere, size } from "./pipelines.js";

const laneMax = 8; // with more nodes, those that a pipeline has nothing on are left out

// draw shows a pipeline in figure, whose rings call choose when they are taken.
export function draw(figure, pipeline, model, chosen, choose) {
  const at = layout(pipeline, lanesOf(pipeline, model));
  at.wide = Math.max(at.wide, figure.clientWidth - 6);
  const picture = figure.querySelector("svg") ?? figure.appendChild(canvas());
  set(picture, "viewBox", `0 0 ${at.wide} ${at.high}`);
  set(picture, "width", at.wide);
  set(picture, "height", at.high);
  set(picture, "aria-label", `Pipeline ${pipeline.name}: its rings, from left to right. Arrow keys go from ring to ring, Enter shows one.`);
  const [lanes, links, boxes] = picture.children;
  drawLanes(lanes, at, model);
  drawLinks(links, pipeline.edges, at);
  drawBoxes(boxes, pipeline, at, model, chosen, choose);
}

function canvas() {
  const picture = svg("svg", { role: "group" }, svg("g"), svg("g"), svg("g"));
  picture.addEventListener("keydown", travel);
  return picture;
}

function lanesOf(pipeline, model) {
  const all = model.nodesInOrder().map(n => n.id);
  if (all.length <= laneMax) return all;
  const used = new Set(pipeline.edges.flatMap(e => [e.locator?.node, e.spare?.locator.node, e.producer.node, e.consumer.node]));
  return all.filter(id => used.has(id));
}

function drawLanes(group, at, model) {
  const all = keep(group, at.rows.map(r => `lane ${r.lane}`), () => svg("g", {}, svg("rect", { x: 0, rx: 4 }), svg("text", { x: 10, class: "lane" }), svg("text", { x: 10, class: "small" })));
  at.rows.forEach((row, i) => {
    const [rect, name, more] = all.get(`lane ${row.lane}`).children;
    const n = model.polled.get(row.lane);
    const words = n ? [n.zone, n.leader && "leads", n.health !== "alive" && n.health, model.nodes.get(row.lane)?.drain && "drained", model.nodes.get(row.lane)?.ineligible && "closed"] : [];
    set(rect, "class", i % 2 ? "odd lane-bed" : "lane-bed");
    set(rect, "y", row.y);
    set(rect, "width", at.wide);
    set(rect, "height", row.high);
    say(name, row.lane === nowhere ? "nowhere" : cut(model.name(row.lane), 15));
    say(more, row.lane === nowhere ? "no process" : cut(words.filter(Boolean).join(", "), 19));
    set(more, "data-tone", n && n.health !== "alive" ? "bad" : null);
    set(name, "y", row.y + row.high / 2 - 2);
    set(more, "y", row.y + row.high / 2 + 13);
  });
}

function drawLinks(group, edges, at) {
  const all = keep(group, edges.map(e => e.name), () => svg("path", { class: "link" }));
  for (const e of edges) {
    const [from, to] = ends(e).map(name => at.items.get(`stage ${name}`));
    const ring = at.items.get(`ring ${e.name}`);
    set(all.get(e.name), "d", bow(from, ring) + bow(ring, to));
    set(all.get(e.name), "data-off", ring.lane === nowhere || !e.producer.session || !e.consumer.session ? "" : null);
  }
}

function bow(a, b) {
  const [x1, y1, x2, y2] = [a.x + a.wide, a.y + a.high / 2, b.x, b.y + b.high / 2];
  const bend = Math.max(size.gap * 0.7, (x2 - x1) / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

function drawBoxes(group, pipeline, at, model, chosen, choose) {
  const order = [...at.items.values()].sort((a, b) => a.column - b.column || a.y - b.y);
  const makers = { stage: makeStage, ring: makeRing, spare: makeSpare };
  const all = keep(group, order.map(i => i.key), key => makers[at.items.get(key).kind](at.items.get(key), choose));
  for (const i of order) {
    const box = all.get(i.key);
    set(box, "transform", `translate(${i.x} ${i.y})`);
    if (i.kind === "stage") dressStage(box, i, pipeline.prefix);
    else if (i.kind === "ring") dressRing(box, i.edge, pipeline.prefix, model, chosen === i.edge.name);
    else say(box.children[1], `${cut(i.edge.name.slice(pipeline.prefix.length), 11)}, spare ${i.edge.spare.generation}`);
  }
  const rings = order.filter(i => i.kind === "ring").map(i => all.get(i.key));
  const stop = rings.find(r => r.getAttribute("tabindex") === "0") ?? rings[0]; // one stop for Tab in each drawing
  for (const r of rings) set(r, "tabindex", r === stop ? 0 : -1);
}

const makeStage = () => svg("g", { class: "stage" }, svg("rect", { width: size.stage, height: size.stageHigh, rx: size.stageHigh / 2 }),
  svg("text", { x: size.stage / 2, y: size.stageHigh / 2 + 4 }), svg("title"));

function dressStage(box, s, prefix) {
  say(box.children[1], cut(s.name.startsWith(prefix) ? s.name.slice(prefix.length) : s.name, 15));
  say(box.children[2], s.held ? `stage ${s.name}` : `stage ${s.name}: no process runs it`);
  set(box, "data-off", s.held ? null : "");
}

const makeSpare = () => svg("g", { class: "spare" }, svg("rect", { width: size.ring, height: size.spareHigh, rx: 3 }), svg("text", { x: 8, y: 13, class: "small" }));

function makeRing(i, choose) {
  const take = event => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose(i.edge.name);
  };
  const inner = size.ring - 16;
  return svg("g", { class: "ring", role: "button", tabindex: -1, "data-edge": i.edge.name, on: { click: take, keydown: take } },
    svg("title"), svg("rect", { class: "body", width: size.ring, height: size.ringHigh, rx: 4 }), svg("rect", { class: "tone", width: 4, height: size.ringHigh, rx: 2 }),
    svg("text", { x: 10, y: 16, class: "name" }), svg("text", { x: size.ring - 8, y: 16, class: "n" }),
    svg("text", { x: 10, y: 32, class: "state" }), svg("text", { x: size.ring - 8, y: 32, class: "n" }),
    svg("rect", { class: "track", x: 10, y: 43, width: inner - 42, height: 5, rx: 2 }), svg("rect", { class: "fill", x: 10, y: 43, height: 5, rx: 2 }),
    svg("text", { x: size.ring - 8, y: 49, class: "n small" }));
}

function dressRing(box, e, prefix, model, chosen) {
  const [title, , , name, generation, state, flow, track, fill, full] = box.children;
  const s = model.standing(e);
  const word = model.leases.has(e.locator?.arena) || s.state ? s.state || "not told" : "no ring";
  set(box, "data-tone", tones[s.state] ?? "none");
  set(box, "aria-pressed", chosen);
  set(box, "aria-label", `edge ${e.name}, ring on ${model.name(e.locator?.node)}, generation ${e.generation}, ${word}`);
  set(box, "data-fresh", Date.now() - Date.parse(e.changed) < 4_000 && e.reason !== "spare-armed" ? "" : null);
  say(title, `${e.name}: ${ends(e).join(" to ")}`);
  say(name, cut(e.name.slice(prefix.length), 12));
  say(generation, `g${e.generation}`);
  say(state, word);
  say(flow, s.flow?.perSecond === undefined ? "" : `${rate(s.flow.perSecond)}/s`);
  set(fill, "class", s.fill > 0.8 ? "fill full" : "fill");
  set(fill, "width", Math.min(1, s.fill ?? 0) * track.getAttribute("width"));
  say(full, s.fill === undefined ? "" : share(s.fill));
}

// travel moves the focus to the ring that is nearest in the arrow's direction.
function travel(event) {
  const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  const from = event.target.closest(".ring");
  if (!way || !from) return;
  event.preventDefault();
  const middle = e => {
    const { x, y, width, height } = e.getBoundingClientRect();
    return [x + width / 2, y + height / 2];
  };
  const [x, y] = middle(from);
  let best, least = Infinity;
  for (const ring of event.currentTarget.querySelectorAll(".ring")) {
    const [dx, dy] = [middle(ring)[0] - x, middle(ring)[1] - y];
    const [along, aside] = [dx * way[0] + dy * way[1], Math.abs(dx * way[1]) + Math.abs(dy * way[0])];
    if (ring !== from && along > 1 && along + 2 * aside < least) [best, least] = [ring, along + 2 * aside];
  }
  if (!best) return;
  set(from, "tabindex", -1);
  set(best, "tabindex", 0);
  best.focus();
}
