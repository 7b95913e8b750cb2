// Asks the daemon once a second and shows what it says. One part that cannot be shown never hides the others.

import * as audit from "./audit.js";
import { charts } from "./charts.js";
import { byId, fill, h, setText } from "./dom.js";
import * as experiments from "./experiments.js";
import { dict, list, num } from "./format.js";
import { glance } from "./glance.js";
import * as incidents from "./incidents.js";
import * as nodes from "./nodes.js";
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
  const all = list(status.incidents);
  const open = all.filter(incidents.isOpen);
  const lost = list(status.losses);
  const planned = dict(status.experiments);
  const audited = dict(status.audit);
  const around = dict(status.kubernetes);
  const hasPods = list(around.pods).length > 0;
  const minute = Math.floor((num(status.now) ?? 0) / 60) * 60; // so that "in 5 min" is made again once a minute
  const parts = {
    identity: [[status.instance, kafka.cluster_id], () => views.identity(status)],
    freshness: [status.now, () => views.updated(status)],
    service: [[status.availability, status.latency_seconds, status.records, status.now], () => views.service(status)],
    records: [status.records, () => views.records(status)],
    "records-note": [[status.records, status.selftest, minute], () => views.recordsNote(status)],
    brokers: [[kafka.brokers, kafka.controller, status.partitions], () => views.brokers(kafka, list(status.partitions))],
    "cluster-note": [[kafka, Math.floor(at)], () => views.clusterNote(kafka, at)],
    partitions: [status.partitions, () => views.partitions(list(status.partitions))],
    timeline: [[all, status.history, minute, widthOf("timeline")], () => incidents.timeline(all, status.history, status.now, widthOf("timeline"))],
    charts: [[status.history, all.length, widthOf("charts")], () => charts(status.history, all, widthOf("charts"))],
    "incident-body": [[open, Math.floor(at)], () => incidents.openIncidents(open, at, hasPods)],
    incidents: [[all, minute, hasPods], () => incidents.incidentTable(all, status.now, hasPods)],
    losses: [[lost, minute], () => views.losses(lost, status.now)],
    experiments: [[planned.items, minute], () => experiments.experimentTable(planned, status.now)],
    "experiments-state": [planned, () => said(experiments.standing(planned))],
    "audit-state": [[audited, minute], () => audit.standing(audited, status.now)],
    audit: [audited, () => audit.findings(audited)],
    disruptions: [[around.disruptions, minute], () => nodes.disruptions(around, status.now)],
    nodes: [[around.nodes, around.pods, around.sides, around.stuck], () => nodes.nodes(around)],
    "nodes-notes": [[around.problems, around.watches, around.exposure, around.shared], () => nodes.notes(around)],
    "phase-legend": [hasPods, () => incidents.phaseLegend(hasPods)],
    about: [[status.version, status.run, status.started_at], () => views.about(status)],
  };
  for (const [name, answer] of Object.entries(glance)) parts[`glance-${name}`] = [[status, minute], () => said(answer(status, status.now))];
  byId("glance").hidden = false;
  byId("incident").hidden = open.length === 0;
  byId("loss").hidden = lost.length === 0;
  byId("nodes-part").hidden = byId("glance-nodes-part").hidden = Object.keys(around).length === 0;
  byId("audit-more").hidden = list(audited.findings).length === 0;
  byId("phase-legend").hidden = all.length === 0;
  for (const [id, [facts, make]] of Object.entries(parts)) showPart(byId(id), facts, make);
  document.querySelectorAll(".scroll").forEach(reach);
}

// The width of one drawing in px; drawings follow it within a second.
function widthOf(id) {
  const tracks = getComputedStyle(byId(id)).gridTemplateColumns;
  return Math.max(200, Math.floor(parseFloat(tracks)) || byId(id).clientWidth);
}

// What can be scrolled can be reached by keyboard, and nothing else is in the way of it.
function reach(node) {
  if (node.scrollWidth > node.clientWidth + 1) node.setAttribute("tabindex", "0");
  else node.removeAttribute("tabindex");
}

const said = ([mood, words]) => h("span", { class: mood }, words);

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
