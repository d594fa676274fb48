// How figures are written. Three digits are enough to see what happens, and keep columns still.

const three = n => (n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2));

export function rate(n) {
  if (n === undefined) return "–";
  if (n >= 999.5e6) return three(n / 1e9) + "G";
  if (n >= 999.5e3) return three(n / 1e6) + "M";
  if (n >= 999.5) return three(n / 1e3) + "k";
  return n > 0 && n < 10 ? n.toFixed(1) : n.toFixed(0);
}

// count is rate for what comes in whole numbers.
export const count = n => (n === undefined ? "–" : n < 1000 ? String(n) : rate(n));

export function bytes(n) {
  if (n === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) [n, i] = [n / 1024, i + 1];
  return (i === 0 ? n.toFixed(0) : three(n)) + " " + units[i];
}

// took writes nanoseconds.
export function took(ns) {
  if (ns === undefined || ns < 0) return "–";
  if (ns < 1e6) return `${Math.round(ns / 1e3)} µs`;
  if (ns < 1e9) return `${three(ns / 1e6)} ms`;
  if (ns < 60e9) return `${three(ns / 1e9)} s`;
  return `${Math.round(ns / 60e9)} min`;
}

export const share = x => (x === undefined ? "–" : x > 0 && x < 0.01 ? "<1%" : `${Math.round(100 * x)}%`);

const two = n => String(n).padStart(2, "0");

// clock is when on the day; what was before today has its date in front.
export function clock(text, fine) {
  const t = new Date(text);
  if (!text || Number.isNaN(t.getTime()) || t.getFullYear() < 1971) return "–";
  const time = `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}` + (fine ? "." + String(t.getMilliseconds()).padStart(3, "0") : "");
  const day = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;
  return t.toDateString() === new Date().toDateString() ? time : `${day} ${time}`;
}

// short is enough of an ID to tell it from the others.
export const short = id => (id ? id.slice(0, 8) : "–");

// cut shortens a name in the middle: the ends tell names apart.
export const cut = (s, n) => (s.length <= n ? s : `${s.slice(0, Math.ceil((n - 1) / 2))}…${s.slice(s.length - Math.floor((n - 1) / 2))}`);

export const plural = (n, one, many = one + "s") => `${n} ${n === 1 ? one : many}`;
