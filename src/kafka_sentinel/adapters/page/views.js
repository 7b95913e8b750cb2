// The parts of the page. Each takes facts, any of which may be missing, and returns elements.

import { h, svg, table } from "./dom.js";
import { UNKNOWN, cause, count, dict, int, items, list, moment, num, plural, seconds, share, str, ticking } from "./format.js";
import { watchedShare } from "./verdict.js";

export const PHASES = [
  ["detected", "detected"], ["leader", "leader elected"], ["produce", "writes back"], ["consume", "reads back"],
  ["pod", "pod ready"], ["isr", "replicas in sync"], ["lag", "caught up"], ["full", "fully recovered"],
];
const SHOWN_PARTITIONS = 48;
const SHOWN_INCIDENTS = 12;

const level = (acks) => `acks=${str(acks) || UNKNOWN}`;

// --- service and records

export function service(status) {
  const available = dict(status.availability);
  const latency = dict(status.latency_seconds);
  const records = dict(dict(status.records).all);
  const acked = int(records.acked);
  const figure = (name, value, note) => h("div", null, h("dt", null, name), h("dd", null, value, note && h("small", null, note)));
  const blind = num(status.blind_seconds);
  return [
    figure("Writes available", share(available.produce)),
    figure("Reads available", share(available.consume)),
    figure("Time to acknowledgement", seconds(latency.produce_p99), `p99; half within ${seconds(latency.produce_p50)}`),
    figure("Time to reading", seconds(latency.end_to_end_p99), `p99; half within ${seconds(latency.end_to_end_p50)}`),
    figure("Records vouched for", acked ? share((int(records.verified) + int(records.lost)) / acked) : UNKNOWN, "of those acknowledged"),
    figure("Time vouched for", share(watchedShare(status, num(status.now) ?? 0)), blind === null ? "" : `blind for ${blind ? seconds(blind) : "no time"}`),
  ];
}

// [field, name, whether any number above zero is bad news]
const RECORD_ROWS = [
  ["sent", "Sent"], ["acked", "Acknowledged"], ["verified", "Read back"], ["awaiting", "Not read yet"], ["overdue", "… longer than the objective", "warn"],
  ["lost", "Lost", "bad"], ["lost_before", "Lost after having been read", "bad"], ["suspected", "Suspected, under recheck", "warn"],
  ["duplicated", "Duplicated in the log", "warn"], ["reordered", "Reordered in the log", "warn"], ["corrupted", "Corrupted", "bad"], ["conflicting", "Conflicting", "bad"],
  ["unresolved", "Uncertain, not settled yet", "warn"], ["unaccounted", "Unaccounted: our blind spot"], ["expired", "Expired unread"],
  ["redelivered", "Redelivered to the group"], ["foreign", "Foreign"], ["rejected", "Rejected by the client"],
];

export function records(status) {
  const levels = ["all", "1"].filter((acks) => acks === "all" || int(dict(dict(status.records)[acks]).sent) > 0);
  const cell = (acks, field, mood) => {
    const value = dict(dict(status.records)[acks])[field];
    const alarming = mood && int(value) > 0 ? (acks === "all" ? mood : "warn") : "";
    return h("td", { class: ["number", alarming, value === 0 && "zero"].filter(Boolean).join(" ") }, count(value));
  };
  return table("Records by level of acknowledgement", ["", ...levels.map(level)], RECORD_ROWS.map(([field, name, mood]) =>
    h("tr", null, h("th", { scope: "row" }, name), levels.map((acks) => cell(acks, field, mood)))));
}

// --- brokers and partitions

export function brokers(kafka) {
  const known = list(kafka.brokers);
  if (known.length === 0) return h("li", { class: "note" }, "No broker has answered yet.");
  return known.map((broker) => h("li", { class: broker.up ? "up" : "down" },
    h("b", null, `Broker ${str(broker.id)}`), h("span", { class: "badge" }, broker.up ? "up" : "down"),
    num(kafka.controller) !== null && kafka.controller === broker.id && h("span", { class: "badge plain" }, "controller"),
    h("small", null, str(broker.address))));
}

export function clusterNote(kafka, at) {
  if (num(kafka.observed_at) === null) return "";
  if (!kafka.reachable) return `No broker answers; last seen ${ticking(at - kafka.observed_at)} ago.`;
  const troubles = [[kafka.offline, "offline"], [kafka.under_min_isr, "below min.insync.replicas"], [kafka.under_replicated, "under-replicated"]]
    .filter(([number]) => int(number) > 0).map(([number, what]) => `${count(number)} ${what}`);
  return troubles.length ? `Partitions of all topics: ${troubles.join(", ")}.` : "All partitions of all topics have a leader and are in sync.";
}

const troubled = (partition) => !partition.writable || !partition.readable || int(partition.suspected) > 0 || items(partition.isr).length < items(partition.replicas).length;

export function partitions(all) {
  if (all.length === 0) return h("p", { class: "note" }, "Nothing is probed yet.");
  const levels = [...new Set(all.map((each) => str(each.acks)))];
  return levels.map((acks) => ofLevel(acks, all.filter((each) => str(each.acks) === acks)));
}

function ofLevel(acks, all) {
  const ordered = all.length > SHOWN_PARTITIONS ? [...all.filter(troubled), ...all.filter((each) => !troubled(each))] : all;
  const left = ordered.slice(SHOWN_PARTITIONS);
  const name = level(acks);
  const rest = left.length > 0 && h("p", { class: "note" }, `${plural(left.length, "more partition")}, ${left.some(troubled) ? "some of them impaired" : "all well"}.`);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Probe partitions, ${name}` },
    table(`Probe partitions, ${name}`, [name, "Replicas", "State", "Lag"], ordered.slice(0, SHOWN_PARTITIONS).map(partition)), rest);
}

function partition(facts) {
  const words = [!facts.writable && "no writes", !facts.readable && "no reads", int(facts.suspected) > 0 && `${count(facts.suspected)} suspected`].filter(Boolean);
  const lag = int(facts.lag_records) > 0 ? `${count(facts.lag_records)}, ${seconds(facts.lag_seconds)}` : count(facts.lag_records);
  return h("tr", null,
    h("th", { scope: "row" }, str(facts.partition)),
    h("td", null, items(facts.replicas).map((id) => replica(id, facts)), facts.leader === -1 && h("span", { class: "bad" }, " no leader")),
    h("td", { class: words.length ? "bad" : "fine" }, words.join(", ") || "writes and reads"),
    h("td", { class: "number" }, lag));
}

function replica(id, facts) {
  const role = facts.leader === id ? "leader" : items(facts.isr).includes(id) ? "insync" : "out";
  const words = { leader: "leader", insync: "in sync", out: "out of sync" }[role];
  return h("span", { class: `replica ${role}`, title: `broker ${str(id)}: ${words}` }, str(id), h("span", { class: "hidden" }, ` ${words}; `));
}

// --- incidents

const phasesOf = (hasPods) => PHASES.filter(([name]) => hasPods || name !== "pod");

export function openIncidents(incidents, at, hasPods) {
  return incidents.filter((incident) => num(incident.closed_at) === null).map((incident) => {
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

export const phaseLegend = (hasPods) => phasesOf(hasPods).map(([name, words]) => h("span", null, h("i", { class: `swatch phase-${name}` }), words));

export function incidentTable(incidents, now) {
  const shown = incidents.slice(0, SHOWN_INCIDENTS);
  if (shown.length === 0) return h("p", { class: "note" }, "None yet.");
  const limit = scaleOf(shown);
  const heads = ["When", "What", `Recovery, 0 to ${seconds(limit)}`, "Writes back", "Reads back", "Recovered", "Lost", "Extra copies", "Verdict"];
  const rows = shown.map((incident) => incidentRow(incident, limit, now, heads));
  const made = table("Incidents, newest first", heads, rows);
  made.classList.add("cards");
  return [made, incidents.length > shown.length && h("p", { class: "note" }, `${count(incidents.length - shown.length)} older ones are in the data.`)];
}

function incidentRow(incident, limit, now, heads) {
  const phases = dict(incident.phases);
  const verdict = str(incident.verdict) || str(incident.state) || UNKNOWN;
  const mood = { passed: "fine", failed: "bad" }[verdict] ?? "warn";
  const revised = str(incident.cause_revised) && `later recognised as: ${cause(incident.cause_revised).toLowerCase()}`;
  const reasons = [...items(incident.reasons).map(str), revised].filter(Boolean).join("; ");
  const cells = [
    h("td", null, moment(incident.started_at, now)),
    h("td", { class: "wide" }, h("b", null, cause(incident.cause)), ` ${what(incident)}`, reasons && h("small", { class: "block" }, reasons)),
    h("td", { class: "bars" }, bars(phases, limit)),
    ...["produce", "consume", "full"].map((name) => h("td", { class: "number" }, seconds(phases[name]))),
    h("td", { class: int(incident.lost) ? "number bad" : "number zero" }, count(incident.lost)),
    h("td", { class: int(incident.duplicated) ? "number warn" : "number zero" }, count(incident.duplicated)),
    h("td", { class: mood }, verdict),
  ];
  cells.forEach((cell, index) => cell.setAttribute("data-label", heads[index].replace(/,.*/, "")));
  return h("tr", null, cells);
}

// One scale for all, so that they can be compared; a rare long one may run off it, or the others would vanish.
function scaleOf(incidents) {
  const longest = incidents.map((incident) => Math.max(...PHASES.map(([name]) => num(dict(incident.phases)[name]) ?? 0))).sort((a, b) => a - b);
  return Math.max(1, Math.min(longest.at(-1), 5 * longest[Math.floor(longest.length / 2)] || Infinity));
}

const LANE = 4;
const BARS = { width: 200, height: PHASES.length * LANE };

function bars(phases, limit) {
  const words = PHASES.map(([name, text]) => `${text} ${seconds(phases[name])}`).join(", ");
  return svg("svg", { viewBox: `0 0 ${BARS.width} ${BARS.height}`, preserveAspectRatio: "none", role: "img", "aria-label": words },
    PHASES.map(([name], lane) => {
      const reached = num(phases[name]);
      if (reached === null) return null;
      const width = Math.max(1.5, Math.min(1, reached / limit) * BARS.width);
      return svg("rect", { class: `phase-${name}`, x: 0, y: lane * LANE + 0.5, width: width.toFixed(1), height: LANE - 1 });
    }));
}

// --- losses and experiments

export const losses = (all, now) => all.map((loss) => {
  const first = num(loss.first_sequence);
  const number = int(loss.count);
  return h("tr", null,
    h("th", { scope: "row", class: "number bad" }, count(loss.count)),
    h("td", null, str(loss.partition), " ", h("small", null, level(loss.acks))),
    h("td", { class: "number" }, first === null ? UNKNOWN : `${count(first)} to ${count(first + number - 1)}`, h("small", { class: "block" }, `run ${str(loss.run)}`)),
    h("td", { class: "number" }, count(loss.offset), h("small", { class: "block" }, `leader epoch ${str(loss.leader_epoch_before) || UNKNOWN}`)),
    h("td", null, { before: "yes", never: "no" }[loss.seen] ?? UNKNOWN),
    h("td", null, moment(loss.acked_at, now)), h("td", null, moment(loss.proved_at, now)),
    h("td", { class: "wide" }, str(loss.stands_there) || "nothing: the log ends before",
      h("small", { class: "block" }, [str(loss.reason), `topic id ${str(loss.topic_id) || UNKNOWN}`].filter(Boolean).join("; "))),
    h("td", null, str(loss.incident) || UNKNOWN));
});

export function experimentsState(facts) {
  if (str(facts.latched)) return ["bad", `Held until resumed: ${facts.latched}.`];
  if (facts.paused) return ["warn", str(facts.paused_by) ? `Paused: ${facts.paused_by}.` : "Paused by a person."];
  if (dict(facts.lease).held === false) return ["warn", "Held until this Sentinel holds the Lease."];
  if (facts.armed && !facts.dry_run) return ["", "Armed: faults are injected when every guard allows it."];
  return ["", "Rehearsal only: guards are asked, nothing is injected."];
}

export function experimentTable(facts, now) {
  const all = list(facts.items);
  if (all.length === 0) return h("p", { class: "note" }, "None is configured.");
  const heads = ["Name", "Fault", "Schedule", "Next run", "Last run", "Why the last was skipped"];
  const made = table("Experiments", heads, all.map((item) => {
    const skip = dict(item.last_skip);
    const skipped = str(skip.guard) ? [h("b", null, str(skip.guard)), `: ${str(skip.reason)}`, h("small", { class: "block" }, moment(skip.at, now))] : UNKNOWN;
    const cells = [
      h("th", { scope: "row" }, str(item.name)),
      h("td", null, [str(item.fault), str(item.target)].filter(Boolean).join(" of ")),
      h("td", null, str(item.schedule) || UNKNOWN),
      h("td", null, num(item.next_run) === null ? UNKNOWN : [moment(item.next_run, now), h("small", { class: "block" }, until(item.next_run, now))]),
      h("td", null, num(item.last_run) === null ? "never" : [`${str(item.last_result) || UNKNOWN} `, h("small", { class: "block" }, moment(item.last_run, now))]),
      h("td", { class: "wide" }, skipped),
    ];
    cells.forEach((cell, index) => cell.setAttribute("data-label", heads[index]));
    return h("tr", null, cells);
  }));
  made.classList.add("cards");
  return made;
}

// To the minute, so that it changes no more often than it has to.
const until = (at, now) => (at - now < 60 ? "in less than a minute" : `in ${seconds(Math.floor((at - now) / 60) * 60)}`);

export function identity(status) {
  const kafka = dict(status.kafka);
  const facts = [["Sentinel", str(status.instance)], ["Kafka cluster", str(kafka.cluster_id)]].filter(([, value]) => value);
  return facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)));
}

export const about = (status) => `Version ${str(status.version) || UNKNOWN}, run ${str(status.run) || UNKNOWN}, started ${moment(status.started_at, status.now)}.`;
export const updated = (status) => `as of ${moment(status.now, status.now)}`;
