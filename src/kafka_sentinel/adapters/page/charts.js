// Small line charts of the history, as SVG with axes. A gap in the line is time without a figure.

import { h, svg } from "./dom.js";
import { clock, dict, list, num, seconds, share, count, moment } from "./format.js";

const HEIGHT = 150; // px, as the width is: nothing is scaled, so that words stay as large as all others
const EDGE = { left: 50, right: 8, top: 8, bottom: 22 };
const INNER_HEIGHT = HEIGHT - EDGE.top - EDGE.bottom;

export function charts(history, incidents, width) {
  const points = list(history).filter((point) => num(point.at) !== null);
  if (points.length < 2) return h("p", { class: "note" }, "The charts begin when there are two minutes of history.");
  const spans = list(incidents).map((incident) => [num(incident.started_at), num(incident.closed_at) ?? points.at(-1).at]);
  const draw = (title, series, scale, format) => chart({ title, series, scale, format, points, spans, width });
  return [
    draw("Latency (p99)", [["produce_p99", "to acknowledgement"], ["end_to_end_p99", "to reading"]], logarithmic, seconds),
    draw("Available", [["produce_good", "writes"], ["consume_good", "reads"]], upToOne, share),
    draw("Lag", [["lag_records", "records not read yet"]], fromZero, count),
    h("p", { class: "note" }, "Shaded: an incident. Where a line ends, Sentinel had no figures."),
  ];
}

function chart({ title, series, scale, format, points, spans, width }) {
  const values = series.flatMap(([field]) => points.map((point) => num(point[field]))).filter((value) => value !== null);
  if (values.length === 0) return figure(title, [], h("p", { class: "note" }, "No figures yet."));
  const { y, ticks } = scale(values);
  const from = points[0].at;
  const to = points.at(-1).at;
  const x = (at) => EDGE.left + ((at - from) / Math.max(1, to - from)) * (width - EDGE.left - EDGE.right);
  const height = (value) => EDGE.top + (1 - Math.min(1, Math.max(0, y(value)))) * INNER_HEIGHT;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": describe(title, series, points, format) },
    spans.map(([start, end]) => band(start, end, from, to, x)),
    ticks.map((tick) => [
      svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: height(tick), y2: height(tick) }),
      svg("text", { class: "tick", x: EDGE.left - 6, y: height(tick) + 4, "text-anchor": "end" }, short(format(tick))),
    ]),
    instants(from, to).map((at) => [
      svg("line", { class: "axis", x1: x(at), x2: x(at), y1: HEIGHT - EDGE.bottom, y2: HEIGHT - EDGE.bottom + 4 }),
      svg("text", { class: "tick", x: x(at), y: HEIGHT - 4, "text-anchor": "middle" }, clock(at)),
    ]),
    svg("line", { class: "axis", x1: EDGE.left, x2: width - EDGE.right, y1: HEIGHT - EDGE.bottom, y2: HEIGHT - EDGE.bottom }),
    series.map(([field], index) => svg("path", { class: `line line-${index}`, d: path(points, field, x, height) })).reverse());
  const legend = series.map(([field, name], index) => {
    const last = points.findLast((point) => num(point[field]) !== null);
    return h("span", null, h("i", { class: `swatch line-${index}` }), `${name} `, h("b", null, format(dict(last)[field])));
  });
  return figure(title, legend, drawing);
}

const figure = (title, legend, body) =>
  h("figure", null, h("figcaption", null, h("h3", null, title), h("p", { class: "legend" }, legend)), body);

const short = (text) => text.replace(/\.0+(?=\D|$)/, "").replace(/(\.\d*[1-9])0+(?=\D|$)/, "$1");

function path(points, field, x, height) {
  let drawing = "";
  let broken = true;
  for (const point of points) {
    const value = num(point[field]);
    if (value !== null) drawing += `${broken ? "M" : "L"}${x(point.at).toFixed(1)} ${height(value).toFixed(1)}${broken ? "h0" : ""}`;
    broken = value === null;
  }
  return drawing;
}

function band(start, end, from, to, x) {
  if (start === null || end < from || start > to) return null;
  const left = x(Math.max(start, from));
  return svg("rect", { class: "band", x: left.toFixed(1), y: EDGE.top, width: Math.max(2, x(Math.min(end, to)) - left).toFixed(1), height: INNER_HEIGHT });
}

function logarithmic(values) {
  const positive = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...positive, 0.01)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive, 0.1))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return { y: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low), ticks };
}

function upToOne(values) {
  const worst = Math.min(...values);
  const low = [0.99, 0.95, 0.9, 0.75, 0.5, 0].find((bound) => worst >= bound) ?? 0;
  return { y: (value) => (value - low) / (1 - low), ticks: [low, (1 + low) / 2, 1] };
}

function fromZero(values) {
  const worst = Math.max(...values, 4);
  const magnitude = 10 ** Math.floor(Math.log10(worst));
  const high = [1, 2, 4, 5, 10].map((step) => step * magnitude).find((bound) => bound >= worst);
  return { y: (value) => value / high, ticks: [0, high / 2, high] };
}

// Round instants of local time, at most five.
export function instants(from, to) {
  const steps = [5, 10, 15, 30, 60, 120, 180, 360].map((minutes) => minutes * 60);
  const step = steps.find((each) => (to - from) / each <= 5) ?? steps.at(-1);
  const offset = new Date(from * 1000).getTimezoneOffset() * 60;
  const first = Math.ceil((from - offset) / step) * step + offset;
  const found = [];
  for (let at = first; at <= to && found.length < 12; at += step) found.push(at);
  return found;
}

function describe(title, series, points, format) {
  const parts = series.map(([field, name]) => {
    const known = points.filter((point) => num(point[field]) !== null);
    if (known.length === 0) return `${name}: no figures`;
    const worse = field.endsWith("_good") ? (a, b) => b[field] < a[field] : (a, b) => b[field] > a[field];
    const worst = known.reduce((a, b) => (worse(a, b) ? b : a));
    return `${name}: ${format(known.at(-1)[field])} now, worst ${format(worst[field])} at ${moment(worst.at)}`;
  });
  return `${title}. ${parts.join("; ")}.`;
}
