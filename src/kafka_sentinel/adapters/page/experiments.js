// What will be broken next, whether it may be, and why the last was skipped.

import { h, table } from "./dom.js";
import { UNKNOWN, dict, items, list, moment, num, seconds, str } from "./format.js";

// Whether anything is held at all: [mood, sentence].
export function standing(facts) {
  if (str(facts.latched)) return ["bad", `Held until resumed: ${facts.latched}.`];
  if (facts.paused) return ["warn", str(facts.paused_by) ? `Paused: ${facts.paused_by}.` : "Paused by a person."];
  if (dict(facts.lease).held === false) return ["warn", "Held until this Sentinel holds the Lease."];
  if (items(facts.not_permitted).length > 0) return ["warn", `Not permitted: ${items(facts.not_permitted).map(str).join(", ")}.`];
  if (facts.armed && !facts.dry_run) return ["", "Armed: faults are injected when every guard allows it."];
  return ["", "Rehearsal only: guards are asked, nothing is injected."];
}

// The one that is under way, else the one that is due first: [mood, words]. It may be wide of the page, so it is short.
export function next(facts, now) {
  const all = ordered(facts);
  const running = all.find((item) => str(item.run));
  if (running) return ["warn", `${str(running.name)} under way`];
  if (str(facts.latched)) return ["bad", "held until resumed"];
  if (facts.paused) return ["warn", "paused"];
  const due = all.find((item) => num(item.next_run) !== null);
  if (!due) return ["", all.length > 0 ? "none is due" : "none configured"];
  return ["", `${facts.armed && !facts.dry_run ? "" : "rehearsal "}${due.next_run <= now ? "due" : until(due.next_run, now)}`];
}

const ordered = (facts) => [...list(facts.items)].sort((a, b) => (num(a.next_run) ?? Infinity) - (num(b.next_run) ?? Infinity) || 0);

export function experimentTable(facts, now) {
  const all = ordered(facts);
  if (all.length === 0) return h("p", { class: "note" }, "None is configured.");
  const heads = ["Name", "Fault", "Schedule", "Next run", "If it were due now", "Last run", "Why the last was skipped"];
  const made = table("Experiments, the next one first", heads, all.map((item) => row(item, heads, now)));
  made.classList.add("cards");
  return made;
}

function row(item, heads, now) {
  const cells = [
    h("th", { scope: "row" }, str(item.name)),
    h("td", { class: "wide" }, [str(item.fault), str(item.target)].filter(Boolean).join(" of ")),
    h("td", null, str(item.schedule) || UNKNOWN),
    h("td", { class: "number" }, upcoming(item, now)),
    h("td", { class: "wide" }, judged(item)),
    h("td", null, num(item.last_run) === null ? "never" : [result(item.last_result), small(moment(item.last_run, now))]),
    h("td", { class: "wide" }, skipped(dict(item.last_skip), now)),
  ];
  cells.forEach((cell, index) => cell.setAttribute("data-label", heads[index]));
  return h("tr", null, cells);
}

const small = (text) => h("small", { class: "block" }, text);
const result = (value) => h("span", { class: { passed: "fine", failed: "bad" }[value] ?? "" }, `${str(value) || UNKNOWN} `);

function upcoming(item, now) {
  if (str(item.run)) return h("b", { class: "warn" }, `under way: ${str(item.state).replaceAll("_", " ") || UNKNOWN}`);
  return num(item.next_run) === null ? UNKNOWN : [moment(item.next_run, now), small(until(item.next_run, now))];
}

// That it is not due is no news here.
function judged(item) {
  const answers = list(item.guards);
  const denial = answers.find((answer) => answer.allowed === false && answer.guard !== "schedule");
  if (denial) return [h("b", null, `denied by ${str(denial.guard)}`), `: ${str(denial.reason) || str(denial.seen)}`];
  return answers.length > 0 ? h("span", { class: "fine" }, "every guard allows it") : UNKNOWN;
}

function skipped(skip, now) {
  return str(skip.guard) ? [h("b", null, str(skip.guard)), `: ${str(skip.reason)}`, small(moment(skip.at, now))] : "not skipped yet";
}

// To the minute, so that it changes no more often than it has to.
const until = (at, now) => (at <= now ? "due, waits for the guards" : at - now < 60 ? "in less than a minute" : `in ${seconds(Math.floor((at - now) / 60) * 60)}`);
