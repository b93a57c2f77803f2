// What is on its way: all of it, each large file, and an hour of rates as a plot.

import { h, s, show } from "../dom.js";
import { bytes, clock, rate, span } from "../format.js";
import { t } from "../i18n.js";
import { live } from "../live.js";
import { empty, link } from "../ui.js";

const WIDTH = 800;
const HEIGHT = 200;
const HOUR_S = 3600;
const COLUMNS = 240;

export function transfers({ place }) {
  const draw = () => {
    const folders = (live.state?.folders ?? []).filter((one) => one.status);
    show(place, plot(live.points), folders.map(part), folders.some(isMoving) ? null : empty(t("transfers.none")));
  };
  return { show: draw, event: (name) => (name === "rates" || name === "hour" ? draw() : null) };
}

function isMoving({ status }) {
  return status.transfers.length || status.uploads.length || hasFiles(status.receiving) || hasFiles(status.sending);
}

// Deletions and the like have no bytes, and what is held of them is not on its way.
function hasFiles(all) {
  return Boolean(all?.files);
}

function part({ id, name, status }) {
  if (!isMoving({ status })) return null;
  return h("section", { class: "card", id: `part-${id}`, "aria-labelledby": `part-h-${id}` },
    h("h2", { id: `part-h-${id}` }, link("overview", {}, name)),
    hasFiles(status.receiving) ? whole(`in-${id}`, t("transfers.receiving"), status.receiving) : null,
    hasFiles(status.sending) ? whole(`out-${id}`, t("transfers.sending"), status.sending) : null,
    status.transfers.map((one) => bar(`in-${id}-${one.path}-${one.peer}`, `↓ ${one.path}`, t("transfers.from", { who: one.peer }), one.here, one)),
    status.uploads.map((one) => bar(`out-${id}-${one.path}-${one.peer}`, `↑ ${one.path}`, t("transfers.to", { who: one.peer }), one.sent, one)));
}

function whole(id, title, all) {
  const left = all.left_s === null ? "" : ` · ${t("transfers.left", { time: span(all.left_s) })}`;
  return h("div", { class: "transfer", id }, h("strong", {}, title),
    h("progress", { max: Math.max(all.bytes, 1), value: all.bytes_done, "aria-label": title }),
    h("span", { class: "soft" }, t("transfers.whole", { done: all.files_done, files: all.files, here: bytes(all.bytes_done), size: bytes(all.bytes) }),
      ` · ${rate(all.per_s)}${left}`));
}

function bar(id, title, who, done, one) {
  const left = one.per_s ? ` · ${t("transfers.left", { time: span((one.size - done) / one.per_s) })}` : "";
  return h("div", { class: "transfer", id }, h("span", { class: "name" }, title),
    h("progress", { max: Math.max(one.size, 1), value: done, "aria-label": title }),
    h("span", { class: "soft" }, `${who} · ${bytes(done)} / ${bytes(one.size)}${one.per_s ? ` · ${rate(one.per_s)}` : ""}${left}`));
}

// The mean of each column, from now back an hour.
function columns(points, now, index) {
  const sums = new Array(COLUMNS).fill(0);
  const counts = new Array(COLUMNS).fill(0);
  for (const point of points) {
    const column = Math.floor(((point[0] - (now - HOUR_S)) / HOUR_S) * COLUMNS);
    if (column >= 0 && column < COLUMNS) {
      sums[column] += point[index];
      counts[column] += 1;
    }
  }
  return sums.map((sum, column) => (counts[column] ? sum / counts[column] : null));
}

function plot(points) {
  const now = points.at(-1)?.[0] ?? Date.now() / 1000;
  const down = columns(points, now, 1);
  const up = columns(points, now, 2);
  const most = Math.max(1000, ...down, ...up);
  const curve = (values) => {
    let pen = "M";
    let path = "";
    let gap = 0;
    values.forEach((value, column) => {
      if (value === null) {
        gap += 1;
        if (gap > 8) pen = "M";
        return;
      }
      gap = 0;
      path += `${pen}${((column + 0.5) / COLUMNS * WIDTH).toFixed(1)} ${(HEIGHT - 24 - value / most * (HEIGHT - 44)).toFixed(1)}`;
      pen = "L";
    });
    return path;
  };
  const last = points.at(-1) ?? [0, 0, 0];
  const words = t("plot.words", { down: rate(last[1]), up: rate(last[2]), most: rate(most) });
  const marks = [0, 15, 30, 45, 60].map((minutes) => s("text", { class: "small", x: WIDTH - minutes / 60 * WIDTH, y: HEIGHT - 4,
    "text-anchor": minutes === 0 ? "end" : minutes === 60 ? "start" : "middle" }, clock((now - minutes * 60) * 1000).replace(/:\d\d(?!.*:\d\d)/, "")));
  return h("section", { class: "card", id: "plot", "aria-labelledby": "plot-h" },
    h("div", { class: "row" }, h("h2", { id: "plot-h" }, t("plot.title")),
      h("span", { class: "legend down" }, `↓ ${rate(last[1])}`), h("span", { class: "legend up" }, `↑ ${rate(last[2])}`)),
    s("svg", { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words },
      s("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 24, y2: HEIGHT - 24 }), s("line", { x1: 0, x2: WIDTH, y1: 20, y2: 20 }),
      s("text", { class: "small", x: 0, y: 14 }, rate(most)), marks,
      s("path", { class: "down", d: curve(down) || "M0 0" }), s("path", { class: "up", d: curve(up) || "M0 0" })));
}
