// Elements are made once and changed in place: who has the focus on one, or selects text in it, keeps that when news come.

const SVG = "http://www.w3.org/2000/svg";

// el makes an element. Of props, "text", "on" and "class" are what they say, all else are attributes.
export const el = (tag, props, ...kids) => dress(document.createElement(tag), props, kids);

// svg is el for drawings.
export const svg = (tag, props, ...kids) => dress(document.createElementNS(SVG, tag), props, kids);

function dress(e, props, kids) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === "text") e.textContent = value;
    else if (name === "on") for (const [type, f] of Object.entries(value)) e.addEventListener(type, f);
    else set(e, name, value);
  }
  e.append(...kids);
  return e;
}

// set gives an attribute a value, or takes it away for null and false.
export function set(e, name, value) {
  if (value === null || value === undefined || value === false) e.removeAttribute(name);
  else if (e.getAttribute(name) !== String(value)) e.setAttribute(name, value);
}

// say gives an element its text, and leaves it alone if it has that.
export function say(e, text) {
  text = String(text ?? "");
  if (e.textContent !== text) e.textContent = text;
}

// keep has parent's children be one for each key, in that order: those there are, or what make returns. It returns them by key.
export function keep(parent, keys, make) {
  const had = (parent.kept ??= new Map());
  const now = new Map();
  let next = parent.firstElementChild;
  for (const key of keys) {
    const e = had.get(key) ?? make(key);
    now.set(key, e);
    if (e === next) next = e.nextElementSibling;
    else parent.insertBefore(e, next);
  }
  for (const [key, e] of had) if (!now.has(key)) e.remove();
  parent.kept = now;
  return now;
}

// cells gives a row its texts, each under its heading for screens on which a table is a list.
export function cells(row, heads, texts) {
  while (row.cells.length < texts.length) row.append(el("td", { "data-head": heads[row.cells.length] }));
  texts.forEach((t, i) => {
    if (t !== undefined) say(row.cells[i], t);
  });
  return row.cells;
}

// list has a dl tell pairs of term and text; a pair whose text is empty is left out.
export function list(dl, pairs) {
  const told = pairs.filter(([, text]) => text !== "" && text !== undefined && text !== null);
  const all = keep(dl, told.map(([term]) => term), term => el("div", {}, el("dt", { text: term }), el("dd")));
  for (const [term, text, kind] of told) {
    const dd = all.get(term).lastElementChild;
    say(dd, text);
    set(dd, "class", kind);
  }
}

// meter is a bar of how much there is of something. What it says in figures stands beside it.
export function meter(e, share, tone) {
  const bar = e.querySelector("i") ?? e.appendChild(el("span", { class: "meter", "aria-hidden": "true" }, el("i"))).firstChild;
  bar.style.width = `${100 * Math.min(1, Math.max(0, share || 0))}%`;
  set(bar, "data-tone", tone);
}
