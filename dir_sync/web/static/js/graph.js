// The mesh as a small picture: this machine in the middle, the peers beside it, and what goes over each line below its peer.

import { s } from "./dom.js";
import { rate } from "./format.js";
import { t } from "./i18n.js";

const WIDTH = 640;
const SHOWN_MAX = 12;
const ROW = 136; // what stands below a node is in it

export function mesh(folders, [, down, up]) {
  const peers = gathered(folders);
  const shown = peers.slice(0, SHOWN_MAX);
  const height = Math.max(160, Math.ceil(shown.length / 2) * ROW);
  const middle = { x: WIDTH / 2, y: height / 2 - 34 };
  const own = peers.filter((one) => one.isOwn).length;
  const others = peers.filter((one) => one.kind !== "away").length - own;
  const words = [t("graph.words", { n: others, down: rate(down), up: rate(up) }), own ? t("graph.own", { n: own }) : null];
  // In two columns, so that no line is upright and there is room for what stands at it.
  const at = (index) => {
    const column = index % 2;
    const ofColumn = Math.ceil((shown.length - column) / 2);
    return { x: middle.x + (column ? 215 : -215), y: height * (Math.floor(index / 2) + 0.5) / ofColumn - 34 };
  };
  return s("svg", { class: "graph", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": words.filter(Boolean).join("; ") },
    shown.map((peer, index) => line(peer, middle, at(index))),
    node(folders[0].status.name, middle, "me", [`↓ ${rate(down)}`, `↑ ${rate(up)}`]),
    shown.map((peer, index) => node(peer.name, at(index), peer.kind, below(peer))),
    peers.length > shown.length
      ? s("text", { x: WIDTH - 12, y: height - 12, "text-anchor": "end" }, t("graph.more", { n: peers.length - shown.length }))
      : null);
}

function below(peer) {
  if (peer.kind === "away") return [t("graph.away")];
  const rates = peer.down + peer.up > 0 ? [`↓ ${rate(peer.down)}`, `↑ ${rate(peer.up)}`] : [];
  return peer.isOwn ? [t("graph.here"), rates.join(" ")] : rates;
}

// One entry for each machine, whichever folders it shares with this one, and by how many nodes: those that are connected, then
// those that are away. Nodes of one name at one address are of one machine.
// `isOwn`: another node of this user on this machine.
function gathered(folders) {
  const found = new Map();
  const me = folders[0].status.node; // the one in the middle
  const own = new Set(folders.map(({ status }) => status.node));
  for (const { status } of folders) {
    for (const peer of status.peers) {
      if (peer.node === me) continue;
      const machine = `${host(peer.address)} ${peer.name}`;
      const known = found.get(machine) ?? { rates: new Map(), name: peer.name, kind: "good", down: 0, up: 0, isOwn: own.has(peer.node) };
      if (!peer.synchronized) known.kind = "busy";
      if (peer.traffic) known.rates.set(peer.node, peer.traffic); // a node has one connection for all folders
      const rates = [...known.rates.values()];
      known.down = rates.reduce((sum, one) => sum + one.receives_per_s, 0);
      known.up = rates.reduce((sum, one) => sum + one.sends_per_s, 0);
      found.set(machine, known);
    }
  }
  const here = [...found.values()];
  const names = new Set(here.map((one) => one.name)); // one that is away here may be connected in another folder
  const gone = new Set(folders.flatMap(({ status }) => status.away ?? []).map((one) => one.name).filter((name) => !names.has(name)));
  const away = [...gone].map((name) => ({ name, kind: "away", down: 0, up: 0 }));
  return [here, away].flatMap((list) => list.sort((one, other) => one.name.localeCompare(other.name)));
}

function host(address) {
  return (address ?? "").replace(/:\d+$/, "");
}

function line(peer, from, to) {
  const isMoving = peer.down + peer.up > 0;
  return s("g", { class: `edge ${peer.kind} ${isMoving ? "moving" : ""}` },
    s("line", { x1: from.x, y1: from.y, x2: to.x, y2: to.y }));
}

function node(name, { x, y }, kind, below) {
  const short = name.length > 18 ? `${name.slice(0, 17)}…` : name;
  const foot = y + (kind === "me" ? 44 : 37);
  return s("g", { class: `node ${kind}` },
    s("circle", { cx: x, cy: y, r: kind === "me" ? 26 : 20 }),
    s("text", { class: "letter", x, y: y + 6, "text-anchor": "middle" }, [...name][0]?.toUpperCase() ?? "?"),
    s("text", { x, y: foot, "text-anchor": "middle" }, short),
    below.map((one, index) => s("text", { class: "small", x, y: foot + 22 + index * 20, "text-anchor": "middle" }, one)));
}
