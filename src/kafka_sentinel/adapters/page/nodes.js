// Nodes with what runs on them, and what happened to nodes. Takes facts, any of which may be missing, and returns elements.

import { h } from "./dom.js";
import { UNKNOWN, capital, cause, dict, items, list, moment, num, plural, seconds, str } from "./format.js";

const SHOWN_NODES = 48;
const SHOWN_DISRUPTIONS = 6;
const SHOWN_SENTENCES = 8;
const CLASSES = { risk: "may go", drain: "is being drained", notice: "is to go", gone: "is gone" };
const OUTCOMES = { lost: "was lost", recovered: "came back", withdrawn: "stayed" };
const CAPACITIES = { spot: "spot", on_demand: "on demand" };
const NOWHERE = "";

// [mood, words] for one node; the worst that is known of it.
function standing(node) {
  if (CLASSES[node.disruption]) return [node.disruption === "risk" ? "warn" : "bad", CLASSES[node.disruption].replace(/^is /, "")];
  if (node.ready === false) return ["bad", "not ready"];
  if (node.closed === true) return ["warn", "closed to new pods"];
  return node.ready === true ? ["fine", "ready"] : ["", "state not known"];
}

// All nodes in a few words: [mood, words].
export function summary(facts) {
  const stuck = list(facts.stuck).length;
  const nodes = list(facts.nodes);
  const states = nodes.map(standing);
  const worst = states.find(([mood]) => mood === "bad") ?? states.find(([mood]) => mood === "warn");
  if (stuck > 0) return ["bad", `${plural(stuck, "pod")} stuck`];
  if (worst) return [worst[0], `${states.filter(([, words]) => words === worst[1]).length} of ${nodes.length} ${worst[1]}`];
  if (nodes.length === 0 || states.some(([mood]) => mood === "")) return ["", nodes.length === 0 ? "not known" : `${nodes.length}, state not known`];
  return ["fine", `${nodes.length} of ${nodes.length} ready`];
}

// One card for each node, and one for the pods that are on none.
export function nodes(facts) {
  const on = new Map(list(facts.nodes).map((node) => [str(node.name), { node, pods: [], sides: [] }]));
  const place = (pod, kind) => {
    const name = str(pod.node) || NOWHERE;
    if (!on.has(name)) on.set(name, { node: { name }, pods: [], sides: [] });
    on.get(name)[kind].push(pod);
  };
  list(facts.pods).forEach((pod) => place(pod, "pods"));
  list(facts.sides).forEach((side) => place(side, "sides"));
  const held = new Map(list(facts.stuck).map((one) => [str(one.pod), str(one.text)]));
  const all = [...on.values()];
  if (all.length === 0) return h("li", { class: "note" }, "No pod of a broker is known.");
  const calm = ({ node, pods }) => str(node.name) !== NOWHERE && ["fine", ""].includes(standing(node)[0]) && pods.every((pod) => pod.ready);
  const shown = all.length > SHOWN_NODES ? [...all.filter((one) => !calm(one)), ...all.filter(calm)].slice(0, SHOWN_NODES) : all;
  const left = all.length - shown.length;
  return [...shown.map((one) => card(one, held)), left > 0 && h("li", { class: "note" }, `${plural(left, "more node")}, in the data.`)];
}

function card({ node, pods, sides }, held) {
  const nowhere = str(node.name) === NOWHERE;
  const [mood, words] = nowhere ? ["bad", "waiting"] : standing(node);
  const about = [CAPACITIES[node.capacity], str(node.zone) && `zone ${str(node.zone)}`].filter(Boolean).join(", ");
  return h("li", { class: mood },
    h("h3", null, nowhere ? "On no node" : str(node.name)),
    h("p", null, h("b", { class: mood }, words), !nowhere && h("small", null, about || "capacity and zone not known")),
    h("ul", null, pods.map((pod) => broker(pod, held)), sides.map(side)));
}

function broker(pod, held) {
  const reason = held.get(str(pod.name));
  const [mood, words] = reason !== undefined ? ["bad", "cannot come back"] : pod.deleting ? ["warn", "going"] : pod.ready ? ["fine", "ready"] : ["warn", "not ready"];
  const data = { true: "data goes with the node", false: "data on a volume that stays" }[String(pod.local)];
  const roles = items(pod.roles).map(str);
  const name = roles.length > 0 && !roles.includes("broker") ? "Controller" : "Broker";
  return h("li", null, h("b", null, `${name} ${str(pod.broker)}`), " ", h("span", { class: mood }, words),
    h("small", null, [str(pod.name), name === "Broker" && roles.includes("controller") && "also controller", data].filter(Boolean).join(", ")),
    reason && h("p", null, capital(reason)));
}

const side = (pod) => h("li", null, h("b", null, capital(str(pod.role).replaceAll("_", " "))), " ",
  h("span", { class: pod.ready ? "fine" : "warn" }, pod.ready ? "ready" : "not ready"), h("small", null, str(pod.name)));

export function notes(facts) {
  const unseen = list(facts.watches).filter((watch) => str(watch.code) && watch.code !== "404").map((watch) => `${str(watch.resource).replaceAll("_", " ")} cannot be watched (${str(watch.code)})`);
  const said = [...items(facts.problems), ...unseen, ...items(dict(facts.exposure).sentences), ...items(facts.shared)].map(str);
  return said.slice(0, SHOWN_SENTENCES).map((sentence) => h("li", null, capital(sentence)));
}

export function disruptions(facts, now) {
  return list(facts.disruptions).slice(0, SHOWN_DISRUPTIONS).map((one) => {
    const state = OUTCOMES[one.outcome] ?? CLASSES[one.class] ?? UNKNOWN;
    const lead = num(one.lead_seconds) === null ? "" : `, announced ${seconds(one.lead_seconds)} before`;
    return h("li", { class: OUTCOMES[one.outcome] ? "past" : "" }, h("b", null, `${str(one.node)} ${state}`), `: ${cause(one.cause).toLowerCase()}${lead} `,
      h("small", null, moment(one.opened_at, now)), h("small", { class: "block" }, items(one.reasons).map(str).join("; ")));
  });
}
