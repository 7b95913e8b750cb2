// What the last audit of settings, placement and access found: how much of which severity, and the worst of it.

import { h } from "./dom.js";
import { capital, dict, int, items, list, moment, plural, str } from "./format.js";

const SHOWN = 6;
const MOODS = { critical: "bad", warning: "warn" };

// All of it in a sentence.
export function standing(facts, now) {
  if (Object.keys(facts).length === 0) return "None was made yet.";
  const counts = dict(facts.counts);
  const [critical, warnings] = [int(counts.critical), int(counts.warning)];
  const unjudged = items(facts.not_judged).length;
  return [
    h("span", { class: critical > 0 ? "bad" : "fine" }, `${critical} critical`), ", ",
    h("span", { class: warnings > 0 ? "warn" : "fine" }, plural(warnings, "warning")),
    `, ${int(counts.info)} for information, at ${moment(facts.at, now)}.`,
    unjudged > 0 ? ` ${plural(unjudged, "rule")} could not be judged.` : "",
  ];
}

// The worst, and how many more there are.
export function findings(facts) {
  const all = list(facts.findings);
  const shown = all.slice(0, SHOWN);
  const left = all.length - shown.length + int(facts.left_out);
  return [
    ...shown.map((one) => h("li", { class: str(one.severity) },
      h("b", { class: MOODS[one.severity] ?? "" }, str(one.severity)), " ", h("b", null, str(one.title)),
      h("p", null, capital(str(one.what)), " ", h("small", null, str(one.rule))))),
    left > 0 && h("li", { class: "note" }, `${plural(left, "more finding")}.`),
  ];
}
