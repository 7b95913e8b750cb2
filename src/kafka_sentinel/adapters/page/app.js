// Asks the daemon once a second and shows what it says. One part that cannot be shown never hides the others.

import { charts } from "./charts.js";
import { byId, fill, h, setText } from "./dom.js";
import { dict, list, num } from "./format.js";
import * as kubernetes from "./kubernetes.js";
import { judge } from "./verdict.js";
import * as views from "./views.js";

const INTERVAL = 1000; // ms between questions, and between looks at our own clock
const HIDDEN_INTERVAL = 10000; // while nobody looks
const PATIENCE = 3000; // ms for one answer

const contact = { answeredAt: performance.now(), changedAt: performance.now(), status: null, starting: false };
let spoken = "";

// The daemon's clock: what it last said, and the time since. It stands still when the daemon is gone.
function daemonNow(fresh) {
  const said = num(contact.status?.now) ?? 0;
  return fresh ? said + (performance.now() - contact.changedAt) / 1000 : said;
}

async function ask() {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE);
  try {
    const answer = await fetch("api/v1/status", { signal: patience.signal, cache: "no-store" });
    const body = await answer.json();
    contact.answeredAt = performance.now();
    contact.starting = answer.status === 503;
    if (answer.ok && body !== null && typeof body === "object") receive(body);
  } catch {
    // Nothing to do: the page says for how long there was no answer.
  } finally {
    clearTimeout(timer);
  }
}

function receive(status) {
  if (status.now !== contact.status?.now) contact.changedAt = performance.now();
  contact.status = status;
}

function show() {
  const at = performance.now();
  const silent = (at - contact.answeredAt) / 1000;
  const frozen = (at - contact.changedAt) / 1000;
  const now = daemonNow(true);
  const verdict = judge({ status: contact.status, starting: contact.starting, silent, frozen }, now);
  showVerdict(verdict);
  if (contact.status !== null) showFacts(contact.status, verdict.state === "gone" ? daemonNow(false) : now);
}

function showVerdict(verdict) {
  document.documentElement.dataset.state = verdict.state;
  byId("state").dataset.state = verdict.state;
  setText(byId("headline"), verdict.headline);
  setText(byId("summary"), verdict.summary);
  const words = verdict.spoken ?? verdict.headline;
  document.title = `${words} – Kafka Sentinel`;
  if (words !== spoken) setText(byId("live"), words);
  spoken = words;
}

// Each part: what it shows depends on these facts alone, so it is made again only when they change.
function showFacts(status, at) {
  const kafka = dict(status.kafka);
  const incidents = list(status.incidents);
  const open = incidents.filter((incident) => num(incident.closed_at) === null);
  const lost = list(status.losses);
  const experiments = dict(status.experiments);
  const surroundings = dict(status.kubernetes);
  const hasPods = list(surroundings.pods).length > 0;
  const minute = Math.floor((num(status.now) ?? 0) / 60) * 60; // so that "in 5 min" is made again once a minute
  const parts = {
    identity: [[status.instance, kafka.cluster_id], () => views.identity(status)],
    freshness: [status.now, () => views.updated(status)],
    service: [[status.availability, status.latency_seconds, status.records, status.now], () => views.service(status)],
    records: [status.records, () => views.records(status)],
    brokers: [[kafka.brokers, kafka.controller], () => views.brokers(kafka)],
    "cluster-note": [[kafka, Math.floor(at)], () => views.clusterNote(kafka, at)],
    partitions: [status.partitions, () => views.partitions(list(status.partitions))],
    charts: [[status.history, incidents.length], () => charts(status.history, incidents)],
    "incident-body": [[open, Math.floor(at)], () => views.openIncidents(open, at, hasPods)],
    incidents: [[incidents, minute], () => views.incidentTable(incidents, status.now)],
    losses: [[lost, minute], () => views.losses(lost, status.now)],
    experiments: [[experiments.items, minute], () => views.experimentTable(experiments, status.now)],
    "experiments-state": [experiments, () => state(views.experimentsState(experiments))],
    disruptions: [[surroundings.disruptions, minute], () => kubernetes.disruptions(surroundings, status.now)],
    pods: [[surroundings.pods, surroundings.stuck], () => kubernetes.pods(surroundings)],
    "kubernetes-notes": [[surroundings.problems, surroundings.watches, surroundings.exposure, surroundings.shared], () => kubernetes.notes(surroundings)],
    "phase-legend": [hasPods, () => views.phaseLegend(hasPods)],
    about: [[status.version, status.run, status.started_at], () => views.about(status)],
  };
  byId("incident").hidden = open.length === 0;
  byId("loss").hidden = lost.length === 0;
  byId("kubernetes").hidden = Object.keys(surroundings).length === 0;
  byId("phase-legend").hidden = incidents.length === 0;
  for (const [id, [facts, make]] of Object.entries(parts)) showPart(byId(id), facts, make);
}

const state = ([mood, text]) => h("span", { class: mood }, text);

function showPart(node, facts, make) {
  try {
    fill(node, facts, make);
  } catch (error) {
    console.error(error);
    node.replaceChildren("This part cannot be shown: the daemon's answer is not understood.");
  }
}

async function poll() {
  await ask();
  show();
  setTimeout(poll, document.hidden ? HIDDEN_INTERVAL : INTERVAL);
}

setInterval(show, INTERVAL);
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask().then(show); });
poll();
