// Held changes: what looks like a disaster waits for a person.

import { post } from "../api.js";
import { h, show } from "../dom.js";
import { t } from "../i18n.js";
import { button, confirm, empty, say } from "../ui.js";

export function held({ place, folder }) {
  const decide = (word) => async () => {
    if (!await confirm(t(`held.${word}.ask`), t(`held.${word}`), { danger: true })) return;
    const answer = await post(`folders/${folder.id}/${word}`);
    const others = word === "approve" && answer.missing ? answer.others : [];
    say([t(`held.${word}.done`, { n: answer.files }), others.length ? t("held.others", { who: others.join(", ") }) : ""].join(" "), "good");
  };

  function row(one, index) {
    const who = one.missing ? t("held.vanished") : one.here ? t("held.by-me") : t("held.by", { who: one.by });
    return h("tr", { id: `held-${index}` },
      h("th", { scope: "row" }, t("held.files", { n: one.files })),
      h("td", {}, who, one.at ? ` (${t("held.at", { where: one.at })})` : ""),
      h("td", {}, one.path, one.files > 1 ? ", …" : ""));
  }

  return {
    show(state) {
      const status = state?.folders.find((one) => one.id === folder.id)?.status;
      if (!status) return;
      const rows = status.held;
      show(place,
        h("p", { class: "soft" }, t("held.words")),
        rows.length ? h("section", { class: "card", "aria-labelledby": "held-title" },
          h("h2", { id: "held-title" }, t("held.count", { n: heldCount(status) })),
          h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "held-title" }, h("table", {},
            h("thead", {}, h("tr", {}, ["what", "who", "example"].map((key) => h("th", { scope: "col" }, t(`held.${key}`))))),
            h("tbody", {}, rows.map(row)))),
          h("div", { class: "row end" },
            button(t("held.reject"), decide("reject"), { id: "reject", kind: "primary" }),
            button(t("held.approve"), decide("approve"), { id: "approve", kind: "danger" })))
          : empty(t("held.none")),
        status.troubled.length ? h("section", { class: "card", id: "trouble" }, h("h2", {}, t("held.trouble", { n: status.troubled.length })),
          h("ul", {}, status.troubled.slice(0, 200).map((one) => h("li", {}, `${one.path}: ${one.problem}`)))) : null);
    },
  };
}

export function heldCount(status) {
  const most = new Map(); // several machines may hold what was done to the same files
  for (const one of status?.held ?? []) {
    const key = JSON.stringify([one.by, one.missing ? one.at : ""]);
    most.set(key, Math.max(most.get(key) ?? 0, one.files));
  }
  return [...most.values()].reduce((sum, files) => sum + files, 0);
}
