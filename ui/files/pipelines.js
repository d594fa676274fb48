// Pipelines are what edges make together: stages in layers from left to right, each in the lane of the node that it is on, and rings
// between them in the lanes of the nodes that hold them.

import { compare } from "./model.js";

// Sizes in pixels, of the drawing and of what is in it.
export const size = { lane: 118, stage: 116, stageHigh: 34, ring: 132, ringHigh: 56, spareHigh: 18, gap: 26, pad: 9 };

// nowhere is the lane of stages that no process runs, and of rings that are gone.
export const nowhere = "";

// pipelines puts edges together that share a stage, and names each after what its edges' names begin with.
export function pipelines(edges) {
  const root = new Map();
  const find = s => {
    for (; root.get(s) !== s; s = root.get(s)) root.set(s, root.get(root.get(s))); // paths are halved: chains may be long
    return s;
  };
  for (const e of edges) {
    const [a, b] = ends(e);
    for (const s of [a, b]) if (!root.has(s)) root.set(s, s);
    root.set(find(b), find(a));
  }
  const groups = Map.groupBy(edges, e => find(ends(e)[0]));
  return [...groups.values()].map(all => {
    all.sort((a, b) => compare(a.name, b.name));
    const prefix = common(all.map(e => e.name));
    return { prefix, name: prefix.replace(/\.$/, "") || all[0].name, edges: all };
  }).sort((a, b) => compare(a.name, b.name));
}

// ends are an edge's stages. A role that nobody ever had gets a stage of its own.
export const ends = e => [e.producer.stage || e.stage || `${e.name} (no producer)`, e.consumer.stage || `${e.name} (no consumer)`];

// common is what names begin with, up to a dot.
function common(names) {
  let c = names[0];
  for (const n of names) while (!n.startsWith(c)) c = c.slice(0, -1);
  if (names.length === 1 || !c.endsWith(".")) c = c.slice(0, c.lastIndexOf(".") + 1);
  return c;
}

// layout places a pipeline's stages, rings and spares. Lanes are node IDs, from top to bottom.
export function layout(pipeline, lanes) {
  const stages = stagesOf(pipeline.edges);
  const items = [];
  for (const s of stages.values()) items.push({ ...s, key: `stage ${s.name}`, kind: "stage", column: 2 * s.layer, wide: size.stage, high: size.stageHigh });
  for (const e of pipeline.edges) {
    const column = 2 * stages.get(ends(e)[0]).layer + 1;
    items.push({ key: `ring ${e.name}`, kind: "ring", edge: e, lane: e.locator?.node ?? nowhere, column, wide: size.ring, high: size.ringHigh });
    if (e.spare) items.push({ key: `spare ${e.name}`, kind: "spare", edge: e, lane: e.spare.locator.node, column, wide: size.ring, high: size.spareHigh });
  }
  for (const i of items) if (!lanes.includes(i.lane)) i.lane = nowhere;
  const used = items.some(i => i.lane === nowhere) ? [...lanes, nowhere] : lanes;
  return place(items, used);
}

function stagesOf(edges) {
  const stages = new Map();
  for (const e of edges) {
    const [from, to] = ends(e);
    for (const [name, side] of [[from, e.producer], [to, e.consumer]]) {
      const s = stages.get(name) ?? { name, layer: 0, lane: nowhere, held: false };
      if (side.session) Object.assign(s, { lane: side.node, held: true });
      stages.set(name, s);
    }
  }
  for (let round = 0; round < stages.size; round++) { // no path is longer; what goes round does not come to rest, and is left
    let moved = false;
    for (const e of edges) {
      const [from, to] = ends(e).map(name => stages.get(name));
      if (to.layer <= from.layer && from !== to && from.layer + 1 < stages.size) [to.layer, moved] = [from.layer + 1, true];
    }
    if (!moved) break;
  }
  for (const [name, s] of stages) { // a source stands right before what it feeds, and not at the far left
    if (edges.some(e => ends(e)[1] === name)) continue;
    s.layer = Math.max(s.layer, Math.min(...edges.filter(e => ends(e)[0] === name).map(e => stages.get(ends(e)[1]).layer)) - 1);
  }
  return stages;
}

// place gives items their corners: in its column and lane one stands below the other.
function place(items, lanes) {
  const order = { stage: 0, ring: 0, spare: 1 };
  const cells = Map.groupBy(items, i => `${i.column} ${i.lane}`);
  const columns = Math.max(...items.map(i => i.column)) + 1;
  const left = [];
  for (let c = 0, x = size.lane; c < columns; c++) {
    left.push(x);
    x += (c % 2 ? size.ring : size.stage) + size.gap;
  }
  let y = 0;
  const rows = lanes.map(lane => {
    const stacks = [...cells.values()].filter(cell => cell[0].lane === lane);
    const high = Math.max(size.ringHigh, ...stacks.map(stackHigh)) + 2 * size.pad;
    for (const cell of stacks) {
      cell.sort((a, b) => order[a.kind] - order[b.kind] || compare(a.key, b.key));
      let at = y + (high - stackHigh(cell)) / 2;
      for (const i of cell) {
        Object.assign(i, { x: left[i.column], y: at });
        at += i.high + size.pad;
      }
    }
    const row = { lane, y, high };
    y += high;
    return row;
  });
  return { items: new Map(items.map(i => [i.key, i])), rows, wide: left[columns - 1] + size.stage + size.pad, high: y };
}

const stackHigh = cell => cell.reduce((sum, i) => sum + i.high + size.pad, -size.pad);
