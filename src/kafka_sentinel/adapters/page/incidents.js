// What happened: the open incident as it goes on, all of them on a line of time, and each with its phases.

import { instants } from "./charts.js";
import { h, svg, table } from "./dom.js";
import { UNKNOWN, cause, clock, count, dict, int, items, list, moment, num, plural, seconds, str, ticking } from "./format.js";

const PHASES = [
  ["detected", "detected"], ["leader", "leader elected"], ["produce", "writes back"], ["consume", "reads back"],
  ["pod", "pod ready"], ["isr", "replicas in sync"], ["lag", "caught up"], ["full", "fully recovered"],
];
const SHOWN_INCIDENTS = 12;

export const isOpen = (incident) => num(incident.closed_at) === null;

const phasesOf = (hasPods) => PHASES.filter(([name]) => hasPods || name !== "pod");

export function openIncidents(incidents, at, hasPods) {
  return incidents.filter(isOpen).map((incident) => {
    const elapsed = at - (num(incident.started_at) ?? at);
    const phases = dict(incident.phases);
    return h("article", null,
      h("p", { class: "what" }, h("b", null, cause(incident.cause)), ` ${what(incident)}`),
      h("p", { class: "elapsed" }, ticking(elapsed), h("small", null, stage(incident))),
      h("ol", { class: "phases" }, phasesOf(hasPods).map(([name, words]) => {
        const reached = num(phases[name]);
        return h("li", { class: reached === null ? "waiting" : "reached" },
          h("span", null, words), h("b", null, reached === null ? `${ticking(elapsed)} …` : seconds(reached)), reached === null && h("span", { class: "hidden" }, "and not yet"));
      })),
      items(incident.reasons).length > 0 && h("p", { class: "note" }, items(incident.reasons).map(str).join("; "), "."));
  });
}

const what = (incident) => [str(incident.fault), str(incident.target)].filter(Boolean).join(" of ");
const stage = (incident) => ({ settling: "settling", rechecking: "reading the log again", open: "since it began" })[incident.state] ?? "";

// --- the line of time

const MINUTE = 60; // seconds; a point of the history is about the one that ends with it
const LINE = { height: 62, base: 38, tall: 28, low: 16, least: 4 }; // px; a mark is at least so wide that it can be seen
const LEAST = 15 * 60; // seconds it shows at least
const MOST = 12 * 3600; // seconds it shows at most, as much as there is history

// From the first figure or incident there is, within the limits above, until now. Failed ones stand taller, so that colour alone says nothing.
export function timeline(incidents, history, now, width) {
  const to = num(now) ?? 0;
  const points = list(history);
  const begins = [num(dict(points[0]).at), ...incidents.map((each) => num(each.started_at))].filter((at) => at !== null);
  const from = Math.min(Math.max(Math.min(...begins), to - MOST), to - LEAST);
  const within = incidents.filter((incident) => (num(incident.closed_at) ?? to) >= from && num(incident.started_at) !== null);
  const x = (at) => ((Math.max(at, from) - from) / (to - from)) * width;
  const marks = within.map((incident) => {
    const mood = moodOf(incident);
    const left = Math.min(x(incident.started_at), width - LINE.least);
    const height = mood === "fine" ? LINE.low : LINE.tall;
    return svg("rect", { class: `event ${mood}`, x: left.toFixed(1), y: LINE.base - height, height, width: Math.max(LINE.least, x(num(incident.closed_at) ?? to) - left).toFixed(1) },
      svg("title", null, `${moment(incident.started_at, now)} ${cause(incident.cause)} ${what(incident)}, ${verdictOf(incident)}`));
  });
  return [
    svg("svg", { viewBox: `0 0 ${width} ${LINE.height}`, height: LINE.height, role: "img", "aria-label": summed(within, from, now) },
      unseen(points, from, to).map(([start, end]) => svg("rect", { class: "unseen", x: x(start).toFixed(1), y: LINE.base - LINE.tall, height: LINE.tall, width: Math.max(1, x(end) - x(start)).toFixed(1) })),
      svg("line", { class: "axis", x1: 0, x2: width, y1: LINE.base, y2: LINE.base }),
      instants(from, to).map((at) => [
        svg("line", { class: "axis", x1: x(at), x2: x(at), y1: LINE.base, y2: LINE.base + 5 }),
        svg("text", { class: "tick", x: Math.min(Math.max(x(at), 18), width - 18), y: LINE.base + 19, "text-anchor": "middle" }, clock(at)),
      ]),
      marks),
    h("p", { class: "legend" }, LEGEND.map(([shape, words]) => h("span", null, h("i", { class: `swatch ${shape}` }), words))),
  ];
}

const LEGEND = [["fine", "passed"], ["bad", "failed"], ["warn", "open or inconclusive"], ["unseen", "no figures"]];
const verdictOf = (incident) => str(incident.verdict) || str(incident.state) || UNKNOWN;
const moodOf = (incident) => ({ passed: "fine", failed: "bad" })[verdictOf(incident)] ?? "warn";

function summed(incidents, from, now) {
  const counted = (mood, word) => (incidents.some((each) => moodOf(each) === mood) ? `, ${count(incidents.filter((each) => moodOf(each) === mood).length)} ${word}` : "");
  return `From ${moment(from, now)} to now: ${plural(incidents.length, "incident")}${counted("bad", "failed")}${counted("warn", "open or inconclusive")}.`;
}

// The time of which there are no figures, as [start, end]: such minutes, and what lies before the first.
function unseen(points, from, to) {
  const first = num(dict(points[0]).at) ?? to;
  const spans = first - MINUTE > from ? [[from, first - MINUTE]] : [];
  for (const point of points) {
    if (num(point.at) === null || num(point.produce_good) !== null || num(point.consume_good) !== null) continue;
    if (spans.length > 0 && point.at - MINUTE - spans.at(-1)[1] < 1) spans.at(-1)[1] = point.at;
    else spans.push([point.at - MINUTE, point.at]);
  }
  return spans;
}

// --- the table

export const phaseLegend = (hasPods) => phasesOf(hasPods).map(([name, words]) => h("span", null, h("i", { class: `swatch phase-${name}` }), words));

export function incidentTable(incidents, now, hasPods) {
  const shown = incidents.slice(0, SHOWN_INCIDENTS);
  if (shown.length === 0) return h("p", { class: "note" }, "None yet.");
  const limit = scaleOf(shown);
  const heads = ["When", "What", `Recovery, 0 to ${seconds(limit)}`, "Writes back", "Reads back", "Recovered", "Lost", "Extra copies", "Verdict"];
  const rows = shown.map((incident) => incidentRow(incident, bars(dict(incident.phases), limit, phasesOf(hasPods)), now, heads));
  const made = table("Incidents, newest first", heads, rows);
  made.classList.add("cards");
  return [made, incidents.length > shown.length && h("p", { class: "note" }, `${count(incidents.length - shown.length)} older ones are in the data.`)];
}

function incidentRow(incident, drawing, now, heads) {
  const phases = dict(incident.phases);
  const revised = str(incident.cause_revised) && `later recognised as: ${cause(incident.cause_revised).toLowerCase()}`;
  const reasons = [...items(incident.reasons).map(str), revised].filter(Boolean).join("; ");
  const cells = [
    h("td", { class: "when" }, moment(incident.started_at, now)),
    h("td", { class: "wide" }, h("b", null, cause(incident.cause)), ` ${what(incident)}`, reasons && h("small", { class: "block" }, reasons)),
    h("td", { class: "bars" }, drawing),
    ...["produce", "consume", "full"].map((name) => h("td", { class: "number" }, seconds(phases[name]))),
    h("td", { class: int(incident.lost) ? "number bad" : "number zero" }, count(incident.lost)),
    h("td", { class: int(incident.duplicated) ? "number warn" : "number zero" }, count(incident.duplicated)),
    h("td", { class: `verdict ${moodOf(incident)}` }, verdictOf(incident)),
  ];
  cells.forEach((cell, index) => cell.setAttribute("data-label", heads[index].replace(/,.*/, "")));
  return h("tr", null, cells);
}

// One scale for all, so that they can be compared; a rare long one may run off it, or the others would vanish.
function scaleOf(incidents) {
  const longest = incidents.map((incident) => Math.max(...PHASES.map(([name]) => num(dict(incident.phases)[name]) ?? 0))).sort((a, b) => a - b);
  return Math.max(1, Math.min(longest.at(-1), 5 * longest[Math.floor(longest.length / 2)] || Infinity));
}

const LANE = 4.5; // px
const WIDTH = 200;

function bars(phases, limit, lanes) {
  const words = lanes.map(([name, text]) => `${text} ${seconds(phases[name])}`).join(", ");
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${lanes.length * LANE}`, preserveAspectRatio: "none", role: "img", "aria-label": words },
    lanes.map(([name], lane) => {
      const reached = num(phases[name]);
      if (reached === null) return null;
      const width = Math.max(1.5, Math.min(1, reached / limit) * WIDTH);
      return svg("rect", { class: `phase-${name}`, x: 0, y: lane * LANE + 0.5, width: width.toFixed(1), height: LANE - 1 });
    }));
}
