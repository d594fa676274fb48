// What an operator may do, each after he has confirmed it. Whether he may is the server's to say; what it says is shown as it is.

import { ask } from "./api.js";
import { el, say } from "./dom.js";
import { plural } from "./format.js";

const dialog = document.getElementById("dialog");

// confirm shows what is about to be done, and does it if that is wanted. Asked is called with the form, and returns what was done.
function confirm({ title, body, act, asked }) {
  const alarm = el("p", { class: "refused", role: "alert" });
  const go = el("button", { type: "submit", class: "main", text: act });
  const form = el("form", { novalidate: "" }, el("h2", { id: "dialog-title", text: title }), ...body, alarm,
    el("p", { class: "buttons" }, el("button", { type: "button", text: "Cancel", on: { click: () => dialog.close() } }), go));
  form.addEventListener("submit", async event => {
    event.preventDefault();
    go.disabled = true;
    say(alarm, "");
    say(go, "Asking…");
    try {
      const done = await asked(form);
      dialog.close();
      say(document.getElementById("said"), done);
    } catch (refused) {
      say(alarm, refused.kind === "unreachable" ? refused.message : `Refused (${refused.kind}): ${refused.message}`);
      say(go, act);
      go.disabled = false;
      go.focus();
    }
  });
  dialog.replaceChildren(form);
  dialog.showModal();
  (form.querySelector("input") ?? go).focus();
}

const choice = (type, name, value, text, checked) => el("label", { class: "choice" }, el("input", { type, name, value, checked: checked ? "" : null }), el("span", { text }));

// drain asks whether a node is to be emptied, or used again.
export function drain(node, model) {
  const send = body => ask("POST", `/v1/nodes/${encodeURIComponent(node.id)}/drain`, body, 30_000);
  if (node.drain) {
    return confirm({
      title: `Use ${node.name} again?`, act: "Enable",
      body: [el("p", { text: "Rings may be placed on it again. Those that were moved away stay where they are." })],
      asked: async () => (await send({ drain: "" }), `${node.name} takes rings again`),
    });
  }
  const lent = model.lent(node.id);
  const stays = lent.other ? ` ${plural(lent.other, "lease")} of memory or storage outside edges will stay.` : "";
  confirm({
    title: `Drain ${node.name}?`, act: "Drain",
    body: [
      el("p", { text: `Nothing new is placed on it, and what it has is moved to other nodes: ${plural(lent.rings, "ring")}, ${plural(lent.spares, "spare")}. Items wait for some milliseconds, none is lost. ${plural(lent.stages, "stage process", "stage processes")} there go on.${stays}` }),
      el("fieldset", {}, el("legend", { text: "For how long" }), choice("radio", "drain", "until-enabled", "until it is enabled again", true), choice("radio", "drain", "until-start", "until it is started again")),
      choice("checkbox", "force", "", "even if the others have no room: what does not fit stays"),
    ],
    asked: async form => {
      const status = await send({ drain: form.elements.drain.value, force: form.elements.force.checked });
      return `${node.name} is being drained: ${plural(status.rings, "ring")} and ${plural(status.spares, "spare")} left`;
    },
  });
}

// relocate asks whether an edge is to get another ring, and where not.
export function relocate(edge, model) {
  const nodes = model.nodesInOrder().map(n => {
    const here = n.id === edge.locator?.node;
    return choice("checkbox", "avoid", n.id, here ? `${n.name}, where it is` : n.name, here);
  });
  confirm({
    title: `Move ${edge.name}?`, act: "Relocate",
    body: [
      el("p", { text: "The edge gets another ring, of a higher generation. Both sides open it before they leave the present one: items wait for some milliseconds, none is lost or repeated." }),
      el("fieldset", {}, el("legend", { text: "Not to" }), ...nodes),
      choice("checkbox", "at_once", "", "leave the present ring first: items wait longer, but it does not take both sides to agree"),
    ],
    asked: async form => {
      const avoid = [...form.querySelectorAll("[name=avoid]:checked")].map(box => box.value);
      const moved = await ask("POST", `/v1/edges/${encodeURIComponent(edge.name)}/relocate`, { avoid, at_once: form.elements.at_once.checked }, 30_000);
      return `${edge.name} was moved to ${model.name(moved.locator.node)}, generation ${moved.generation}`;
    },
  });
}
