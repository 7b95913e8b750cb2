// Pods and nodes of the brokers. Takes facts, any of which may be missing, and returns elements.

import { h, table } from "./dom.js";
import { UNKNOWN, cause, dict, items, list, moment, num, seconds, str } from "./format.js";

const SHOWN_PODS = 48;
const SHOWN_DISRUPTIONS = 6;
const SHOWN_SENTENCES = 8;
const CLASSES = { risk: "may go", drain: "is being drained", notice: "is to go", gone: "is gone" };
const OUTCOMES = { lost: "was lost", recovered: "came back", withdrawn: "stayed" };

export function pods(facts) {
  const all = list(facts.pods);
  if (all.length === 0) return h("p", { class: "note" }, "No pod of a broker is known.");
  const heads = ["Pod", "Broker", "Node", "Zone", "Capacity", "Data", "State"];
  const held = new Map(list(facts.stuck).map((one) => [one.pod, str(one.text)]));
  const rows = all.slice(0, SHOWN_PODS).map((pod) => {
    const state = held.has(pod.name) ? ["bad", "cannot come back"] : pod.deleting ? ["warn", "going"] : pod.ready ? ["fine", "ready"] : ["warn", "not ready"];
    const cells = [
      h("th", { scope: "row" }, str(pod.name)),
      h("td", null, str(pod.broker), " ", h("small", null, items(pod.roles).map(str).join(", "))),
      h("td", null, str(pod.node) || "not scheduled"),
      h("td", null, str(pod.zone) || UNKNOWN),
      h("td", null, { spot: "spot", on_demand: "on demand" }[pod.capacity] ?? UNKNOWN),
      h("td", null, { true: "goes with its node", false: "on a volume" }[String(pod.local)] ?? UNKNOWN),
      h("td", { class: state[0] }, state[1], held.has(pod.name) && h("small", { class: "block" }, held.get(pod.name))),
    ];
    cells.forEach((cell, index) => cell.setAttribute("data-label", heads[index]));
    return h("tr", null, cells);
  });
  const made = table("Pods of the brokers", heads, rows);
  made.classList.add("cards");
  return made;
}

export function notes(facts) {
  const unseen = list(facts.watches).filter((watch) => str(watch.code) && watch.code !== "404").map((watch) => `${str(watch.resource).replace("_", " ")} cannot be watched (${str(watch.code)})`);
  const said = [...items(facts.problems), ...unseen, ...items(dict(facts.exposure).sentences), ...items(facts.shared)].map(str);
  return said.slice(0, SHOWN_SENTENCES).map((sentence) => h("li", null, sentence));
}

export function disruptions(facts, now) {
  return list(facts.disruptions).slice(0, SHOWN_DISRUPTIONS).map((one) => {
    const state = OUTCOMES[one.outcome] ?? CLASSES[one.class] ?? UNKNOWN;
    const lead = num(one.lead_seconds) === null ? "" : `, announced ${seconds(one.lead_seconds)} before`;
    return h("li", null, h("b", null, `${str(one.node)} ${state}`), `: ${cause(one.cause).toLowerCase()}${lead} `,
      h("small", null, moment(one.opened_at, now)), h("small", { class: "block" }, items(one.reasons).map(str).join("; ")));
  });
}
