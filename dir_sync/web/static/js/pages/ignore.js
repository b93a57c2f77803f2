// Rules for what is not shared: the two files with them, and what a change would do before it is saved.

import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { t } from "../i18n.js";
import { attempt, button, fillPage, say } from "../ui.js";

const TYPING_MS = 400;

export function ignore({ place, folder }) {
  const base = `folders/${folder.id}/ignore`;
  let told = null;
  let which = "shared";
  let effect = null;
  let typing = 0;
  const edited = {};

  const load = () => fillPage(place, async () => {
    told = await get(base);
    Object.assign(edited, told.texts);
    effect = null;
    draw();
    for (const area of place.querySelectorAll("textarea")) area.value = edited[which];
  });

  const check = async () => {
    effect = await post(`${base}/check`, { which, text: edited[which] });
    draw();
  };

  const save = async () => {
    await post(base, { which, was: told.texts[which], text: edited[which] });
    say(t("saved"), "good");
    await load();
  };

  const oninput = (event) => {
    edited[which] = event.target.value;
    clearTimeout(typing);
    typing = setTimeout(() => attempt(check), TYPING_MS);
    draw();
  };

  const choose = (event) => {
    which = event.target.value;
    effect = null;
    draw();
    document.getElementById("rules").value = edited[which];
  };

  function effects() {
    if (!effect) return null;
    const examples = (kind) => effect.examples[kind].length ? h("details", { id: `examples-${kind}` },
      h("summary", {}, t(`ignore.newly-${kind}`, { n: effect[kind] })),
      h("ul", { class: "plain" }, effect.examples[kind].map((path) => h("li", {}, path)))) : null;
    return h("section", { class: "card", id: "effect", role: "status" },
      h("h2", {}, t("ignore.effect")),
      effect.problems.map((one) => h("p", { class: "note bad", lang: "en" }, one)),
      h("p", {}, effect.ignored || effect.shared ? t("ignore.sum", { ignored: effect.ignored, shared: effect.shared }) : t("ignore.nothing")),
      effect.by.length ? h("ul", {}, effect.by.map((one) => h("li", {}, `${one.count}: ${one.rule}`))) : null,
      examples("ignored"), examples("shared"));
  }

  function draw() {
    if (!told) return;
    show(place,
      h("p", { class: "soft" }, t("ignore.words")),
      h("section", { class: "card", id: "editor" },
        h("div", { class: "row", role: "radiogroup", "aria-label": t("ignore.which") }, ["shared", "local"].map((one) =>
          h("label", { class: "check" }, h("input", { type: "radio", name: "which", value: one, checked: one === which, onchange: choose, id: `which-${one}` }),
            t(`ignore.${one}`)))),
        h("label", { class: "field" }, h("span", {}, t("ignore.rules")),
          h("textarea", { id: "rules", rows: "10", spellcheck: "false", oninput }, edited[which])),
        h("div", { class: "row" },
          button(t("ignore.check"), check, { id: "check" }),
          button(t("save"), save, { id: "save", kind: "primary", disabled: edited[which] === told.texts[which] }))),
      effects(),
      h("section", { class: "card", id: "all" }, h("h2", {}, t("ignore.all")),
        told.problems.map((one) => h("p", { class: "note bad", lang: "en" }, one)),
        h("ul", { class: "plain" }, told.rules.map((rule) => h("li", {}, h("code", {}, rule.text), h("span", { class: "soft" }, ` (${t("ignore.place", { file: rule.file || t("ignore.built-in"), line: rule.line })})`))))));
  }

  load();
  return { again: () => (told ? null : load()), close: () => clearTimeout(typing) };
}
