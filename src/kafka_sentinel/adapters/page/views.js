// The parts of the page. Each takes facts, any of which may be missing, and returns elements.

import { h, table } from "./dom.js";
import { UNKNOWN, count, dict, int, items, list, moment, num, plural, seconds, share, str, ticking, zoned } from "./format.js";
import { trouble, watchedShare } from "./verdict.js";

const SHOWN_PARTITIONS = 48;

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

// [field, name, mood of any number above zero, whether it is shown when it is zero]
const RECORD_ROWS = [
  ["sent", "Sent", "", true], ["acked", "Acknowledged", "", true], ["verified", "Read back", "", true], ["awaiting", "Not read yet", "", true],
  ["overdue", "… longer than the objective", "warn", true], ["lost", "Lost", "bad", true], ["suspected", "Suspected, under recheck", "warn", true],
  ["unresolved", "Uncertain, not settled yet", "warn", true], ["duplicated", "Duplicated in the log", "warn", true],
  ["lost_before", "Lost after having been read", "bad"], ["reordered", "Reordered in the log", "warn"], ["corrupted", "Corrupted", "bad"],
  ["conflicting", "Conflicting", "bad"], ["unaccounted", "Unaccounted: our blind spot"], ["expired", "Expired unread"],
  ["redelivered", "Redelivered to the group"], ["foreign", "Foreign"], ["rejected", "Rejected by the client"],
];

const levelsOf = (status) => ["all", "1"].filter((acks) => acks === "all" || int(dict(dict(status.records)[acks]).sent) > 0);
const figureOf = (status, acks, field) => dict(dict(status.records)[acks])[field];
// What never was is said in one sentence. Such numbers only grow, so a row that came stays.
const isShown = (status) => ([field, , , always]) => always || levelsOf(status).some((acks) => figureOf(status, acks, field) !== 0);

// At acks=1 a loss is no alarm: that is what this level is for.
export function records(status) {
  const levels = levelsOf(status);
  const cell = (acks, field, mood) => {
    const value = figureOf(status, acks, field);
    return h("td", { class: ["number", acks === "all" && int(value) > 0 && mood, value === 0 && "zero"].filter(Boolean).join(" ") }, count(value));
  };
  return table("Records by level of acknowledgement", ["", ...levels.map(level)], RECORD_ROWS.filter(isShown(status)).map(([field, name, mood]) =>
    h("tr", null, h("th", { scope: "row" }, name), levels.map((acks) => cell(acks, field, mood)))));
}

export function recordsNote(status) {
  const never = RECORD_ROWS.filter((row) => !isShown(status)(row)).map(([, name]) => name.replace(/:.*/, "").toLowerCase());
  return [never.length > 0 && `None: ${never.join(", ")}. `, selftest(status), int(figureOf(status, "1", "lost")) > 0 && "With acks=1 losses are to be expected when a leader dies, and raise no alarm."].filter(Boolean);
}

// Whether the detector found what it was drilled with.
function selftest(status) {
  const { at, detected, missed } = dict(status.selftest);
  if (num(at) === null) return "";
  const all = items(detected).length + items(missed).length;
  return `Self-test at ${moment(at, status.now)}: ${count(items(detected).length)} of ${plural(all, "anomaly", "anomalies")} found. `;
}

// --- brokers and partitions

export function brokers(kafka, partitions) {
  const known = list(kafka.brokers);
  if (known.length === 0) return h("li", { class: "note" }, "No broker has answered yet.");
  return known.map((broker) => h("li", { class: broker.up ? "up" : "down" },
    h("b", null, `Broker ${str(broker.id)}`), h("span", { class: "badge" }, broker.up ? "up" : "down"),
    num(kafka.controller) !== null && kafka.controller === broker.id && h("span", { class: "badge plain" }, "controller"),
    h("small", null, [str(broker.address), leads(broker.id, partitions)].filter(Boolean).join("; "))));
}

function leads(id, partitions) {
  const number = partitions.filter((partition) => partition.leader === id).length;
  return partitions.length > 0 ? `leads ${number} of ${plural(partitions.length, "probe partition")}` : "";
}

export function clusterNote(kafka, at) {
  return [trouble({ kafka }).trim(), partitionsNote(kafka, at), ...certificateNotes(kafka, at)].filter(Boolean).join(" ");
}

// As the alert KafkaSentinelCertificateExpires has it.
const RENEWAL = 14 * 86400;

function certificateNotes(kafka, at) {
  return Object.entries(dict(kafka.certificates)).filter(([, until]) => num(until) !== null && until - at < RENEWAL)
    .map(([key, until]) => `A certificate in kafka.security.${key} ${until > at ? `expires in ${seconds(until - at)}` : "has expired"}.`);
}

function partitionsNote(kafka, at) {
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
  return h("div", null,
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

// --- losses

const LOSS_HEADS = ["Records", "Partition", "Sequences", "Offset", "Read before", "Acknowledged", "Proved", "There now", "Incident"];

export function losses(all, now) {
  const made = table("Evidence of loss", LOSS_HEADS, all.map((loss) => evidence(loss, now)));
  made.classList.add("cards");
  return made;
}

function evidence(loss, now) {
  const first = num(loss.first_sequence);
  const number = int(loss.count);
  const small = (text) => h("small", { class: "block" }, text);
  const cells = [
    h("th", { scope: "row", class: "number bad" }, count(loss.count)),
    h("td", null, str(loss.partition), " ", h("small", null, level(loss.acks))),
    h("td", { class: "number" }, first === null ? UNKNOWN : `${count(first)} to ${count(first + number - 1)}`, small(`run ${str(loss.run)}`)),
    h("td", { class: "number" }, count(loss.offset), small(`leader epoch ${str(loss.leader_epoch_before) || UNKNOWN}`)),
    h("td", null, { before: "yes", never: "no" }[loss.seen] ?? UNKNOWN),
    h("td", null, moment(loss.acked_at, now)),
    h("td", null, moment(loss.proved_at, now)),
    h("td", { class: "wide" }, str(loss.stands_there) || "nothing: the log ends before", small([str(loss.reason), `topic id ${str(loss.topic_id) || UNKNOWN}`].filter(Boolean).join("; "))),
    h("td", null, str(loss.incident) || UNKNOWN),
  ];
  cells.forEach((cell, index) => cell.setAttribute("data-label", LOSS_HEADS[index]));
  return h("tr", null, cells);
}

export function identity(status) {
  const kafka = dict(status.kafka);
  const facts = [["Sentinel", str(status.instance)], ["Kafka cluster", str(kafka.cluster_id)]].filter(([, value]) => value);
  return facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)));
}

export const about = (status) => `Version ${str(status.version) || UNKNOWN}, run ${str(status.run) || UNKNOWN}, started ${moment(status.started_at, status.now)}.`;
export const updated = (status) => `as of ${zoned(status.now)}`;
