// The mesh as a small picture: this machine in the middle, the peers beside it, and what goes over each line.

import { s } from "./dom.js";
import { rate } from "./format.js";
import { t } from "./i18n.js";

const WIDTH = 640;
const SHOWN_MAX = 12;

export function mesh(folders, [, down, up]) {
  const peers = gathered(folders);
  const shown = peers.slice(0, SHOWN_MAX);
  const height = Math.max(150, Math.ceil(shown.length / 2) * 100);
  const middle = { x: WIDTH / 2, y: height / 2 - 10 };
  const own = peers.filter((one) => one.isOwn).length;
  const others = peers.filter((one) => one.kind !== "away").length - own;
  const words = [t("graph.words", { n: others, down: rate(down), up: rate(up) }), own ? t("graph.own", { n: own }) : null];
  // In two columns, so that no line is upright and there is room for what stands at it.
  const at = (index) => {
    const column = index % 2;
    const ofColumn = Math.ceil((shown.length - column) / 2);
    return { x: middle.x + (column ? 215 : -215), y: height * (Math.floor(index / 2) + 0.5) / ofColumn - 10 };
  };
  return s("svg", { class: "graph", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": words.filter(Boolean).join("; ") },
    shown.map((peer, index) => line(peer, middle, at(index))),
    node(folders[0].status.name, middle, "me", `↓ ${rate(down)}  ↑ ${rate(up)}`),
    shown.map((peer, index) => node(peer.name, at(index), peer.kind, below(peer))),
    peers.length > shown.length
      ? s("text", { x: WIDTH - 12, y: height - 12, "text-anchor": "end" }, t("graph.more", { n: peers.length - shown.length }))
      : null);
}

function below(peer) {
  if (peer.kind === "away") return t("graph.away");
  return peer.isOwn ? t("graph.here") : "";
}

// One entry for each node, whichever folders it shares with this machine: those that are connected, then those that are away.
// `isOwn`: another node of this user on this machine.
function gathered(folders) {
  const found = new Map();
  const me = folders[0].status.node; // the one in the middle
  const own = new Set(folders.map(({ status }) => status.node));
  for (const { status } of folders) {
    for (const peer of status.peers) {
      if (peer.node === me) continue;
      const known = found.get(peer.node) ?? { name: peer.name, kind: "good", down: 0, up: 0, isOwn: own.has(peer.node) };
      if (!peer.synchronized) known.kind = "busy";
      known.down = peer.traffic?.receives_per_s ?? known.down; // one connection for all folders
      known.up = peer.traffic?.sends_per_s ?? known.up;
      found.set(peer.node, known);
    }
  }
  const here = [...found.values()];
  const names = new Set(here.map((one) => one.name)); // one that is away here may be connected in another folder
  const gone = new Set(folders.flatMap(({ status }) => status.away ?? []).map((one) => one.name).filter((name) => !names.has(name)));
  const away = [...gone].map((name) => ({ name, kind: "away", down: 0, up: 0 }));
  return [here, away].flatMap((list) => list.sort((one, other) => one.name.localeCompare(other.name)));
}

function line(peer, from, to) {
  const isMoving = peer.down + peer.up > 0;
  const x = from.x + (to.x - from.x) * 0.56;
  const y = from.y + (to.y - from.y) * 0.56;
  return s("g", { class: `edge ${peer.kind} ${isMoving ? "moving" : ""}` },
    s("line", { x1: from.x, y1: from.y, x2: to.x, y2: to.y }),
    isMoving ? [
      s("text", { x, y: y - 8, "text-anchor": "middle" }, `↓ ${rate(peer.down)}`),
      s("text", { x, y: y + 22, "text-anchor": "middle" }, `↑ ${rate(peer.up)}`),
    ] : null);
}

function node(name, { x, y }, kind, below) {
  const short = name.length > 18 ? `${name.slice(0, 17)}…` : name;
  return s("g", { class: `node ${kind}` },
    s("circle", { cx: x, cy: y, r: kind === "me" ? 26 : 20 }),
    s("text", { class: "letter", x, y: y + 6, "text-anchor": "middle" }, [...name][0]?.toUpperCase() ?? "?"),
    s("text", { x, y: y + (kind === "me" ? 44 : 37), "text-anchor": "middle" }, short),
    below ? s("text", { class: "small", x, y: y + 62, "text-anchor": "middle" }, below) : null);
}
