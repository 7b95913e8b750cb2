// Is it fine now, in six answers, each a way to what it rests on. Each returns [mood, words].

import { next } from "./experiments.js";
import { count, dict, int, list } from "./format.js";
import { summary } from "./nodes.js";

const NOT_KNOWN = ["", "not known"];

export const glance = {
  lost: (status) => {
    const records = dict(dict(status.records).all);
    const lost = int(records.lost);
    return int(records.acked) === 0 ? NOT_KNOWN : [lost > 0 ? "bad" : "fine", `${count(lost)} of ${count(records.acked)}`];
  },
  writes: (status) => working(status, "writable"),
  reads: (status) => working(status, "readable"),
  brokers: (status) => {
    const kafka = dict(status.kafka);
    const all = list(kafka.brokers);
    if (status.health === "blind" || all.length === 0) return NOT_KNOWN;
    const up = all.filter((broker) => broker.up === true).length;
    return [up < all.length ? "bad" : "fine", `${up} of ${all.length} up`];
  },
  nodes: (status) => summary(dict(status.kubernetes)),
  next: (status, now) => next(dict(status.experiments), now),
};

// Of the probe partitions.
function working(status, field) {
  const all = list(status.partitions);
  if (status.health === "blind" || all.length === 0) return NOT_KNOWN;
  const down = all.filter((partition) => partition[field] === false).length;
  return down > 0 ? ["bad", `${down} of ${all.length} fail`] : ["fine", `${all.length} of ${all.length} work`];
}
