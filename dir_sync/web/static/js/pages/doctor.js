// The doctor: what is right and what is wrong with this machine, a folder and its network, and what mends it.

import { post } from "../api.js";
import { h, show } from "../dom.js";
import { t } from "../i18n.js";
import { badge, button } from "../ui.js";

const KINDS = { OK: "good", WARN: "warn", FAIL: "bad" };
const GROUPS = ["folder", "machine", "network"];

export function doctor({ place, folder }) {
  let checks = null;

  const examine = async () => {
    checks = null;
    draw(true);
    try {
      checks = (await post(`folders/${folder.id}/doctor`)).checks;
    } finally {
      draw(false);
    }
  };

  function check(one) {
    return h("li", { id: `check-${one.group}-${one.check}` },
      h("div", { class: "row" }, badge(t(`verdict.${one.verdict}`), KINDS[one.verdict]), h("span", { class: "grow", lang: "en" }, one.text)),
      one.fix.length ? h("pre", { tabindex: "0" }, one.fix.join("\n")) : null);
  }

  function group(name) {
    const found = checks.filter((one) => one.group === name);
    return found.length ? h("section", { class: "card", id: `group-${name}`, "aria-labelledby": `group-h-${name}` },
      h("h2", { id: `group-h-${name}` }, t(`doctor.${name}`)), h("ul", { class: "plain checks" }, found.map(check))) : null;
  }

  function draw(isBusy) {
    const bad = checks?.filter((one) => one.verdict !== "OK").length;
    show(place,
      h("p", { class: "soft" }, t("doctor.words")),
      h("div", { class: "row" }, button(t("doctor.examine"), examine, { id: "examine", kind: "primary", disabled: isBusy })),
      h("p", { role: "status", id: "sum" }, isBusy ? t("doctor.busy") : checks ? (bad ? t("doctor.bad", { n: bad }) : t("doctor.good", { n: checks.length })) : ""),
      checks ? GROUPS.map(group) : null);
  }

  draw(false);
  return {};
}
