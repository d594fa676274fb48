// The node that this page came from, and nobody else: its API, as docs/api.md describes it.

// Refused is an answer that is no success. Its message is the server's own.
export class Refused extends Error {
  constructor(status, kind, message) {
    super(message);
    Object.assign(this, { status, kind });
  }
}

// ask sends a request and returns what it is answered, or throws a Refused. Patience is in milliseconds.
export async function ask(method, path, body, patience = 10_000) {
  const request = { method, signal: AbortSignal.timeout(patience), redirect: "error", cache: "no-store" };
  if (body !== undefined) Object.assign(request, { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  let text, response;
  try {
    response = await fetch(path, request);
    text = await response.text();
  } catch {
    const open = method === "GET" ? "" : "; whether it was done is not known, so look before you ask again";
    throw new Refused(0, "unreachable", `this node did not answer${open}`);
  }
  if (response.ok) return text === "" ? null : JSON.parse(text);
  throw refused(response.status, text);
}

function refused(status, text) {
  try {
    const { kind, message } = JSON.parse(text);
    return new Refused(status, kind, message);
  } catch {
    return new Refused(status, "unknown", `status ${status}: ${text.slice(0, 200)}`);
  }
}

// A node says something every two seconds; after three times as long the stream is broken, whatever TCP thinks.
const silenceMax = 6_000;

// follow tells every event of the watch, for ever. Whenever a stream begins, begin is called, and ended when it is over, with why.
export async function follow(query, { begin, event, ended }) {
  for (let pause = 500; ; pause = Math.min(2 * pause, 5_000)) {
    try {
      await stream(query, e => {
        pause = 500;
        event(e);
      }, begin);
      ended(new Refused(0, "unreachable", "the node has ended the stream"));
    } catch (err) {
      ended(err instanceof Refused ? err : new Refused(0, "unreachable", "this node does not answer"));
    }
    await new Promise(done => setTimeout(done, pause));
  }
}

async function stream(query, event, begin) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), silenceMax);
  try {
    const response = await fetch(`/v1/watch?${query}`, { signal: silence.signal, redirect: "error", cache: "no-store" });
    if (!response.ok) throw refused(response.status, await response.text());
    begin();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMax);
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const e = JSON.parse(line);
        if (e.type === "error") throw new Refused(0, e.error?.kind ?? "unknown", e.error?.message ?? "the stream has ended");
        event(e);
      }
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}
