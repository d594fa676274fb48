// What is known of the cluster. Records come from the watch; how edges stand, and how nodes are, from what is asked for besides.

import { short } from "./format.js";

// The states, those last in which the least is known of when an edge goes on; see api.EdgeStates.
const states = ["flowing", "stalled", "filling", "rebinding", "detecting", "relocating"];

// tones are how much a word wants to be looked at.
export const tones = { flowing: "good", stalled: "warn", filling: "calm", rebinding: "warn", detecting: "bad", relocating: "bad" };

const logMax = 100;

export class Model {
  edges = new Map();
  nodes = new Map();
  leases = new Map();
  sessions = new Map();
  polled = new Map(); // nodes, by ID, with their health
  sides = new Map(); // by edge: the reports of its sides
  rates = new Map(); // by edge, role and session
  unheard = [];
  revision = 0;
  log = []; // newest first
  loaded = false;
  #missing = null; // what a state that is being sent has not named yet

  // begin says that all there is will be sent; what is not among it does not exist.
  begin() {
    this.#missing = new Map([["edge", new Set(this.edges.keys())], ["node", new Set(this.nodes.keys())],
      ["lease", new Set(this.leases.keys())], ["session", new Set(this.sessions.keys())]]);
  }

  #of(kind) {
    return { edge: this.edges, node: this.nodes, lease: this.leases, session: this.sessions }[kind];
  }

  // take takes an event of the watch in, and returns the kind of record that it changed.
  take(e) {
    this.revision = Math.max(this.revision, e.revision ?? 0);
    if (e.type === "state" && !this.#missing) this.begin();
    if (e.type === "sync") {
      for (const [kind, keys] of this.#missing ?? []) for (const key of keys) this.#put(kind, key, null);
      this.#missing = null;
      this.loaded = true;
    }
    for (const kind of ["edge", "node", "lease", "session"]) {
      const record = e[kind];
      if (!record) continue;
      const key = kind === "edge" ? record.name : record.id;
      this.#missing?.get(kind).delete(key);
      this.#put(kind, key, e.deleted || record.deleted ? null : record);
      return kind;
    }
    return e.type === "sync" ? "all" : "";
  }

  #put(kind, key, record) {
    const all = this.#of(kind);
    const was = all.get(key);
    if (record) all.set(key, record);
    else all.delete(key);
    if (this.loaded && kind === "edge") this.#noteEdge(was, record);
    if (this.loaded && kind === "node") this.#noteNode(was, record);
  }

  #noteEdge(was, e) {
    if (!e) return was && this.note(`${was.name} was deleted`, "warn");
    if (was?.revision === e.revision || e.reason === "spare-armed") return;
    if (e.spare?.planned) return this.note(`${e.name} is to move to ${this.name(e.spare.locator.node)}`, "calm", e.name);
    if (was && was.generation === e.generation) return this.note(`${e.name}: ${e.reason}, generation ${e.generation} stays`, "warn", e.name);
    const tone = ["created", "takeover", "requested", "adopted"].includes(e.reason) ? "calm" : "warn";
    const where = was && was.locator?.node !== e.locator?.node ? `from ${this.name(was.locator?.node)} to ${this.name(e.locator?.node)}` : `on ${this.name(e.locator?.node)}`;
    this.note(`${e.name}: generation ${was ? was.generation + " to " : ""}${e.generation}, ${where}, ${e.reason}`, tone, e.name);
  }

  #noteNode(was, n) {
    if (!n) return was && this.note(`${was.name} was removed`, "warn");
    if (!was) return this.note(`${n.name} has joined`, "calm");
    if ((was.drain ?? "") !== (n.drain ?? "")) this.note(n.drain ? `${n.name} is being drained, ${n.drain}` : `${n.name} takes rings again`, "warn");
    if (!was.ineligible !== !n.ineligible) this.note(n.ineligible ? `${n.name} takes nothing new, what it has stays` : `${n.name} takes new rings again`, "warn");
    if (was.incarnation !== n.incarnation) this.note(`${n.name} was started again`, "calm");
  }

  // note puts a line on top of the log.
  note(text, tone, edge) {
    this.log.unshift({ at: new Date().toISOString(), text, tone, edge, key: (this.noted = (this.noted ?? 0) + 1) });
    this.log.length = Math.min(this.log.length, logMax);
  }

  // poll takes in what the asked node says of all nodes.
  poll(nodes) {
    const leader = [...this.polled.values()].find(n => n.leader)?.id;
    for (const n of nodes) {
      const was = this.polled.get(n.id);
      if (was && was.health !== n.health) this.note(`${n.name} is ${n.health}`, n.health === "alive" ? "good" : "bad");
      if (n.leader && leader && n.id !== leader) this.note(`${n.name} leads`, "calm");
    }
    this.polled = new Map(nodes.map(n => [n.id, n]));
  }

  // report takes in what stages have told, as of the time now in seconds, and works out rates from report to report.
  report(all, now) {
    this.sides = Map.groupBy(all.sides, s => s.edge);
    this.unheard = all.unheard;
    const rates = new Map();
    for (const s of all.sides) {
      const key = `${s.edge} ${s.role} ${s.session}`;
      const at = now - s.age_ns / 1e9;
      const was = this.rates.get(key);
      if (!was) rates.set(key, { at, items: s.items, bytes: s.bytes });
      else if (at - was.at < 0.2) rates.set(key, was); // the same report, asked for twice
      else rates.set(key, { at, items: s.items, bytes: s.bytes, perSecond: (s.items - was.items) / (at - was.at), bytesPerSecond: (s.bytes - was.bytes) / (at - was.at) });
    }
    this.rates = rates;
  }

  rateOf(side) {
    return side && this.rates.get(`${side.edge} ${side.role} ${side.session}`);
  }

  // standing puts together how an edge stands, as api.StandingOf does.
  standing(e) {
    const s = { state: "", since: "", items: undefined };
    for (const r of this.sides.get(e.name) ?? []) {
      if (r.role === "producer" && r.session === e.producer.session) s.producer = r;
      if (r.role === "consumer" && r.session === e.consumer.session) s.consumer = r;
    }
    const takes = s.consumer?.state === "flowing" && s.consumer.retained > 0;
    let worst = -1;
    for (const r of [s.producer, s.consumer]) {
      if (!r || (r === s.producer && r.state === "stalled" && takes)) continue;
      const n = states.indexOf(r.state);
      if (n > worst) [worst, s.state, s.since] = [n, r.state, r.since];
    }
    if ((!e.producer.session || !e.consumer.session) && worst < states.indexOf("filling")) [s.state, s.since] = ["filling", ""];
    if (s.producer) Object.assign(s, { items: s.producer.retained, bytes: s.producer.retain_bytes, lag: s.producer.lag_ns ?? 0, fill: s.producer.retain_bytes / e.capacity });
    s.flow = this.rateOf(s.producer) ?? this.rateOf(s.consumer);
    return s;
  }

  name(node) {
    return node ? (this.nodes.get(node)?.name ?? short(node)) : "–";
  }

  // count counts what each node has, for lent.
  count() {
    this.counts = new Map();
    const of = id => this.counts.get(id) ?? this.counts.set(id, { rings: 0, spares: 0, stages: 0, other: 0 }).get(id);
    for (const e of this.edges.values()) {
      if (this.leases.has(e.locator?.arena)) of(e.locator.node).rings++;
      if (e.spare) of(e.spare.locator.node).spares++;
    }
    for (const s of this.sessions.values()) of(s.node).stages++;
    for (const l of this.leases.values()) if (!l.edge) of(l.node).other++;
  }

  // lent returns what a node had when that was counted.
  lent(id) {
    return this.counts.get(id) ?? { rings: 0, spares: 0, stages: 0, other: 0 };
  }

  // nodesInOrder are the nodes by zone and name.
  nodesInOrder() {
    return [...this.nodes.values()].sort((a, b) => compare(a.zone, b.zone) || compare(a.name, b.name) || compare(a.id, b.id));
  }
}

export const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
