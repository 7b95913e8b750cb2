// Numbers and instants as people read them, and reading of facts that may be missing.

export const UNKNOWN = "–";
export const list = (value) => (Array.isArray(value) ? value.filter((each) => each !== null && typeof each === "object") : []);
export const items = (value) => (Array.isArray(value) ? value : []);
export const dict = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
export const num = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);
export const int = (value) => num(value) ?? 0;
export const str = (value) => (value === null || value === undefined || typeof value === "object" ? "" : String(value));

const grouped = new Intl.NumberFormat("en", { useGrouping: true, maximumFractionDigits: 0 });
export const count = (value) => (num(value) === null ? UNKNOWN : grouped.format(value).replaceAll(",", "\u202f"));
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

// A share never rounds up to 100 %: "all" is said only when it is all.
export function share(value) {
  const known = num(value);
  if (known === null) return UNKNOWN;
  if (known >= 1) return "100\u202f%";
  return `${(Math.floor(known * 1e5) / 1e3).toFixed(3)}\u202f%`;
}

// Seconds with the digits that matter: 4.2 ms, 3.4 s, 2 min 5 s, 19 h 3 min.
export function seconds(value) {
  const known = num(value);
  if (known === null) return UNKNOWN;
  if (known < 0) return seconds(0);
  if (known < 0.9995) return `${known * 1000 < 9.95 ? (known * 1000).toFixed(1) : Math.round(known * 1000)}\u202fms`;
  if (known < 59.95) return `${known.toFixed(1)}\u202fs`;
  if (known < 3600) return pair(Math.round(known), 60, "min", "s");
  if (known < 48 * 3600) return pair(Math.round(known / 60), 60, "h", "min");
  return pair(Math.round(known / 3600), 24, "d", "h");
}

function pair(total, base, big, small) {
  const rest = total % base;
  return `${Math.floor(total / base)}\u202f${big}${rest ? ` ${rest}\u202f${small}` : ""}`;
}

// Whole seconds, for what ticks.
export const ticking = (value) => (value < 60 ? `${Math.max(0, Math.floor(value))}\u202fs` : seconds(Math.floor(value)));

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const zone = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

export const clock = (at) => (num(at) === null ? UNKNOWN : minute.format(at * 1000));

export const zoned = (at) => (num(at) === null ? UNKNOWN : zone.format(at * 1000));

// The time of day, with the day where it is not today's.
export function moment(at, now) {
  if (num(at) === null) return UNKNOWN;
  const date = new Date(at * 1000);
  const today = new Date((num(now) ?? at) * 1000).toDateString() === date.toDateString();
  return today ? time.format(date) : `${day.format(date)} ${time.format(date)}`;
}

const CAUSES = {
  experiment: "Experiment", spot: "Spot reclaim", drain: "Node drain", node_failure: "Node failure", rollout: "Rollout",
  pod_deleted: "Pod deleted", oom: "Out of memory", crash: "Crash", unknown: "Unknown cause",
};
export const cause = (value) => CAUSES[str(value)] ?? (str(value) || CAUSES.unknown);
