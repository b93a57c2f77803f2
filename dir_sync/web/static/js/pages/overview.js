// The overview: how each folder is doing, its peers, and the mesh as a picture.

import { post } from "../api.js";
import { h, show } from "../dom.js";
import { ago, bytes, moment, number, rate } from "../format.js";
import { mesh } from "../graph.js";
import { t } from "../i18n.js";
import { live } from "../live.js";
import { badge, button, empty, facts, link, say, table } from "../ui.js";
import { heldCount } from "./held.js";

const REASONS = ["too-large", "min-free", "disk-full", "unfit", "blocked", "send-only", "diverged", "ignored", "failed",
  "bad-content"];
const PAUSES = [["pause.hour", 3600], ["pause.day", 86400], ["pause.open", null]];

export function overview({ place }) {
  const draw = (state) => {
    if (!state) return;
    const running = state.folders.filter((one) => one.status);
    show(place,
      state.folders.length ? null : empty(t("overview.none")),
      running.length ? h("section", { id: "mesh", class: "card", "aria-labelledby": "mesh-title" },
        h("h2", { id: "mesh-title" }, t("overview.mesh")), mesh(running, live.points.at(-1) ?? [0, 0, 0])) : null,
      h("div", { class: "cards" }, state.folders.map(card)));
  };
  return { show: draw, event: (name) => (name === "rates" ? draw(live.state) : null) };
}

const HEADLINES = {
  "up-to-date": ["synced", "good"], syncing: ["syncing", "busy"], held: ["held", "bad"], paused: ["paused", "idle"],
  alone: ["alone", "warn"], trouble: ["trouble", "bad"],
};
const SAFETIES = { safe: "good", lacking: "", unseen: "", held: "bad", "only-here": "" };

function headline(folder) {
  if (!folder.running) return ["stopped", "idle"];
  return HEADLINES[folder.status?.headline] ?? ["silent", "bad"];
}

function card(folder) {
  const { id, status } = folder;
  const [word, kind] = headline(folder);
  return h("section", { class: "card", id: `folder-${id}`, "aria-labelledby": `name-${id}` },
    h("div", { class: "row" },
      h("h2", { id: `name-${id}` }, folder.name),
      badge(t(`headline.${word}`), kind)),
    h("p", { class: "path" }, folder.path),
    folder.problem ? h("p", { class: "note", lang: "en" }, folder.problem) : null,
    folder.running ? null : h("p", {}, `${t("node.start")} `, h("code", {}, folder.start)),
    status ? figures(status) : null,
    status?.peers.length ? peers(id, status.peers) : null,
    status ? away(status) : null,
    status?.pause ? h("p", { class: "note" }, status.pause.until_s
      ? t("pause.until", { when: moment(status.pause.until_s * 1000) }) : t("pause.for-good")) : null,
    status && waiting(id, status),
    status && status.safety in SAFETIES ? h("p", { class: `safety ${SAFETIES[status.safety]}` }, t(`safety.${status.safety}`)) : null,
    status ? controls(id, status) : null);
}

function figures(status) {
  return facts([
    ["fact.files", `${number(status.files)} (${bytes(status.bytes)})`],
    status.wanted ? ["fact.wanted", number(status.wanted)] : null,
    ["fact.mesh", status.mesh ? t("mesh.closed", { key: status.mesh.key }) : t("mesh.open")],
    status.mode === "two-way" ? null : ["fact.mode", status.mode],
  ]);
}

function peers(id, list) {
  return table(["peers.peer", "peers.standing", "peers.rate", "peers.address", "peers.version"], list.map((peer) => ({
    id: `peer-${id}-${peer.replica}`,
    cells: [peer.name, standing(peer),
      h("span", { class: "rate" }, peer.traffic ? `↓ ${rate(peer.traffic.receives_per_s)} ↑ ${rate(peer.traffic.sends_per_s)}` : ""),
      peer.address, peer.version],
  })), { label: `peers-${id}`, caption: h("caption", { class: "hidden", id: `peers-${id}` }, t("peers")) });
}

function away(status) {
  if (!status.away?.length) return null;
  return h("p", { class: "soft" }, `${t("away")}: `, status.away.slice(0, 8).map((one) =>
    t("away.seen", { name: one.name, when: one.last_seen_s ? ago(one.last_seen_s * 1000) : t("never") })).join("; "));
}

function standing(peer) {
  if (peer.synchronized) return t("standing.synced");
  if (!peer.lacks) return t("standing.comparing");
  const words = [];
  const lack = (key, keyWithSize, { files, others, bytes: size }) => {
    const n = files + others;
    if (n) words.push(t(size ? keyWithSize : key, { n, size: bytes(size) }));
  };
  lack("standing.lacks", "standing.lacks.size", peer.lacks);
  lack("standing.lacking", "standing.lacking.size", peer.lacking_here);
  const amount = (lack) => t("declined.amount", { n: lack.files + lack.others, size: bytes(lack.bytes) });
  const reasons = (peer.declined ?? []).filter((one) => REASONS.includes(one.reason)).map((one) =>
    t(one.reason === "too-large" && !one.limit ? "declined.large" : `declined.${one.reason}`,
      { what: amount(one), limit: bytes(one.limit) }));
  return [...words, ...reasons].join("; ") || t("standing.comparing");
}

function waiting(id, status) {
  const held = heldCount(status);
  return [
    held ? h("p", { class: "note bad" }, link("held", { folder: id }, t("held.some", { n: held }))) : null,
    status.conflicts ? h("p", { class: "note" }, link("conflicts", { folder: id }, t("conflicts.some", { n: status.conflicts }))) : null,
  ];
}

function controls(id, status) {
  if (status.pause) {
    const resume = async () => {
      await post(`folders/${id}/resume`);
      say(t("resumed"));
    };
    return h("div", { class: "row" }, button(t("resume"), resume, { id: `resume-${id}`, kind: "primary" }));
  }
  const pause = (seconds) => async () => {
    await post(`folders/${id}/pause`, seconds ? { for_s: seconds } : {});
    say(t("paused"));
  };
  return h("details", { id: `pause-${id}` }, h("summary", {}, t("pause")),
    h("div", { class: "row" }, PAUSES.map(([key, seconds]) => button(t(key), pause(seconds), { id: `${key}-${id}` }))));
}

