// Is it fine now? One state, one headline and one sentence, from whatever facts there are.

import { cause, count, dict, int, items, list, moment, num, plural, seconds, share, str, ticking } from "./format.js";

export const LIMITS = { silence: 4, frozen: 10 }; // seconds without an answer, and without a new status

// `contact`: {silent: seconds since the last answer, frozen: seconds since the status last changed, status or null,
// starting: the daemon answers but has no status yet}. `at`: the daemon's clock now.
export function judge(contact, at) {
  const status = contact.status;
  if (contact.silent > LIMITS.silence) return gone(`No answer from the daemon for ${ticking(contact.silent)}`, status);
  if (status === null && contact.starting) return { state: "starting", headline: "Starting", summary: "The daemon is up and has not looked around yet." };
  if (status === null) return { state: "starting", headline: "Waiting for the daemon", summary: "" };
  if (contact.frozen > LIMITS.frozen) return gone(`The daemon answers, but has not moved for ${ticking(contact.frozen)}`, status);
  return present(status, at);
}

const gone = (headline, status) => ({
  state: "gone",
  headline,
  spoken: "No answer from the daemon",
  summary: status === null ? "Nothing is known yet." : `Below is what was known at ${moment(status.now)}: ${present(status, int(status.now)).headline.toLowerCase()}.`,
});

function present(status, at) {
  const records = dict(dict(status.records).all);
  const lost = int(records.lost);
  const open = list(status.incidents).find((incident) => incident.closed_at === null || incident.closed_at === undefined);
  const missed = items(dict(status.selftest).missed);
  const doubt = missed.length > 0 ? `The self-test at ${moment(status.selftest.at, status.now)} missed ${missed.join(", ")}. ` : "";
  const summary = doubt + vouch(status, records, at);
  const past = lost > 0 ? `${plural(lost, "acknowledged record")} lost in all. ` : "";
  if (status.health === "standby") return standby(dict(dict(status.experiments).lease));
  if (status.health === "blind") return blind(past + summary);
  if (status.health === "loss") return { state: "loss", headline: lossHeadline(lost), summary: lastLoss(status) + tail(open, summary, at) };
  const why = trouble(status);
  if (status.health === "starting") return { state: "starting", headline: "Starting", summary: `${why}No record was read back yet. ${past}` };
  if (open || status.health === "incident") return during(open, lost, why + past + summary, at);
  if (doubt) return { state: "blind", headline: "Not to be trusted: the self-test failed", summary: past + summary };
  // Whoever resumed after a loss has seen it; the total stays in sight.
  return { state: "ok", headline: lost > 0 ? "No further record lost" : "No acknowledged record lost", summary: past + (lost > 0 ? lastLoss(status) : "") + summary };
}

const lossHeadline = (lost) => (lost > 0 ? `${plural(lost, "acknowledged record")} lost` : "Acknowledged records lost");
const tail = (open, summary, at) => (open ? `${cause(open.cause)} under way for ${ticking(at - int(open.started_at))}. ${summary}` : summary);

function lastLoss(status) {
  const latest = list(status.losses).reduce((a, b) => (int(b.proved_at) > int(dict(a).proved_at) ? b : a), null);
  if (latest === null) return "";
  const incident = list(status.incidents).find((each) => each.id === latest.incident);
  return `Last proved at ${moment(latest.proved_at, status.now)}${incident ? ` (${cause(incident.cause).toLowerCase()}, ${str(incident.id)})` : ""}. `;
}

// Why Kafka cannot be used as it should, as a sentence of its own.
export function trouble(status) {
  const sentence = str(dict(dict(status.kafka).trouble).sentence);
  return sentence && `${sentence[0].toUpperCase()}${sentence.slice(1)}. `;
}

const standby = (lease) => ({
  state: "starting",
  headline: "Standing by",
  summary: str(lease.problem) ? `The Lease cannot be asked for: ${lease.problem}.` : `Another Kafka Sentinel, ${str(lease.holder) || "not known yet"}, holds the Lease. This one probes, breaks and writes nothing.`,
});

const blind = (summary) => ({
  state: "blind",
  headline: "Blind: Sentinel is cut off",
  summary: `Nothing can be reached, so nothing is claimed about now. ${summary}`,
});

function during(open, lost, summary, at) {
  const since = num(dict(open).started_at);
  const text = `Incident: ${cause(dict(open).cause).toLowerCase()}${str(dict(open).fault) && `, ${open.fault}`}`;
  const lasting = since === null ? "" : `For ${ticking(at - since)} now${lost > 0 ? "" : "; no acknowledged record lost"}. `;
  return { state: "incident", headline: text, summary: lasting + summary };
}

// "0 lost" is worth as much as the share of records and time it is said of.
function vouch(status, records, at) {
  const acked = int(records.acked);
  if (acked === 0) return "No record was acknowledged yet.";
  const judged = int(records.verified) + int(records.lost);
  const watched = watchedShare(status, at);
  const eyes = watched === null ? "" : ` Sentinel could see for ${share(watched)} of ${seconds(at - beginning(status))}.`;
  return `${count(acked)} acknowledged, ${share(judged / acked)} of them read back.${eyes}`;
}

// When the totals began: with the state, or else with the process.
const beginning = (status) => num(status.since) ?? num(status.started_at);

export function watchedShare(status, at) {
  const since = beginning(status);
  const blindFor = num(status.blind_seconds);
  return since === null || blindFor === null || at <= since ? null : Math.max(0, 1 - blindFor / (at - since));
}
