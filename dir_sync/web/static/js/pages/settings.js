// Settings: the configuration file, checked while it is written; and what each node runs with.

import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { moment } from "../format.js";
import { t } from "../i18n.js";
import { live } from "../live.js";
import { button, facts, fillPage, say } from "../ui.js";

const TYPING_MS = 500;

export function settings({ place }) {
  let told = null;
  let text = "";
  let verdict = null; // {good: text} or {bad: text}
  let typing = 0;

  const load = () => fillPage(place, async () => {
    told = await get("settings");
    text = told.text;
    verdict = null;
    draw();
    document.getElementById("config").value = text;
  });

  const check = async () => {
    try {
      const answer = await post("settings/check", { text });
      verdict = { good: t("settings.right", { folders: answer.folders.join(", ") }) };
    } catch (error) {
      verdict = { bad: error.message };
    }
    draw();
  };

  const save = async () => {
    const answer = await post("settings", { was: told.text, text });
    say(answer.reloaded ? t("settings.reloaded") : t("saved"), "good");
    await load();
  };

  const begin = () => {
    text = told.example;
    document.getElementById("config").value = text;
    check();
  };

  const oninput = (event) => {
    text = event.target.value;
    clearTimeout(typing);
    typing = setTimeout(check, TYPING_MS);
  };

  function node(one) {
    const status = one.status;
    return h("section", { class: "card", id: `node-${one.id}` }, h("h2", {}, one.path), status ? facts([
      ["settings.name", status.name],
      ["settings.folder", status.folder_name],
      ["fact.mode", status.mode],
      ["settings.ports", t("settings.ports.words", { tcp: String(status.port), udp: String(status.broadcast_port) })],
      ["settings.version", status.version || "–"],
      ["settings.since", status.started_s ? moment(status.started_s * 1000) : "–"],
      ["settings.process", String(status.process)],
      status.schedule ? ["settings.schedule", status.schedule.rules.join("; ")] : null,
    ]) : h("p", { lang: one.problem ? "en" : null }, one.problem || t("headline.stopped")));
  }

  function draw() {
    if (!told) return;
    show(place,
      h("section", { class: "card", id: "file-card", "aria-labelledby": "file-h" },
        h("h2", { id: "file-h" }, t("settings.file")), h("p", { class: "path" }, told.file),
        h("p", { class: "soft" }, told.running ? t("settings.running") : t("settings.not-running")),
        h("label", { class: "field" }, h("span", {}, t("settings.text")),
          h("textarea", { id: "config", rows: "18", spellcheck: "false", oninput }, text)),
        h("div", { id: "verdict", role: "status" }, verdict ? h("p", { class: `note ${verdict.good ? "good" : "bad"}`, lang: verdict.good ? null : "en" }, verdict.good ?? verdict.bad) : null),
        h("div", { class: "row" },
          told.exists ? null : button(t("settings.example"), begin, { id: "example" }),
          button(t("settings.check"), check, { id: "check" }),
          button(t("save"), save, { id: "save", kind: "primary" }))),
      h("div", { class: "cards" }, (live.state?.folders ?? []).map(node)));
  }

  load();
  return { show: draw, again: () => (told ? null : load()), close: () => clearTimeout(typing) };
}
