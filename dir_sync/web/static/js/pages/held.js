// Held changes: what looks like a disaster waits for a person.

import { get, post, Refused } from "../api.js";
import { h, show } from "../dom.js";
import { t } from "../i18n.js";
import { statusOf } from "../live.js";
import { attempt, button, confirm, empty, say, table } from "../ui.js";

const FOLDERS_MAX = 20;

export function held({ place, folder }) {
  const decide = (word) => async () => {
    const asked = seen;
    if (!await confirm(t(`held.${word}.ask`), t(`held.${word}`), { danger: word === "approve" })) return;
    if (seen !== asked) throw new Refused(t("held.different")); // decided elsewhere, or there is more that nobody has seen
    const answer = await post(`folders/${folder.id}/${word}`);
    const others = word === "approve" && answer.missing ? answer.others : [];
    say([t(`held.${word}.done`, { n: answer.files }), others.length ? t("held.others", { who: others.join(", ") }) : ""].join(" "), "good");
  };

  let groups = []; // what is held, by machine and kind, with folders and examples
  let seen = "";

  const load = () => attempt(async () => {
    groups = (await get(`folders/${folder.id}/held`)).held;
    draw();
  });

  function row(one, index) {
    return {
      id: `held-${index}`,
      cells: [
        words(one),
        h("ul", { class: "plain" }, one.folders.slice(0, FOLDERS_MAX).map((below) => h("li", {},
          `${below.folder || "."}: ${t("held.files", { n: below.files })}`,
          h("span", { class: "soft" }, ` – ${below.examples.slice(0, 2).join(", ")}${below.files > 2 ? ", …" : ""}`)))),
      ],
    };
  }

  function draw() {
    const status = statusOf(folder.id);
    if (!status) {
      show(place, h("p", { class: "soft" }, t("held.words")));
      return;
    }
    const isHeld = status.held.length > 0;
    show(place,
      h("p", { class: "soft" }, t("held.words")),
      isHeld ? h("section", { class: "card", "aria-labelledby": "held-title" },
        h("h2", { id: "held-title" }, t("held.count", { n: heldCount(status) })),
        table(["held.what", "held.where"], groups.map(row), { label: "held-title" }),
        h("div", { class: "row end" },
          button(t("held.reject"), decide("reject"), { id: "reject", kind: "primary" }),
          button(t("held.approve"), decide("approve"), { id: "approve", kind: "danger" })))
        : empty(t("held.none")),
      status.troubled.length ? h("section", { class: "card", id: "trouble" }, h("h2", {}, t("held.trouble", { n: status.troubled.length })),
        h("ul", {}, status.troubled.slice(0, 200).map((one) => h("li", {}, `${one.path}: `, h("span", { lang: "en" }, one.problem))))) : null);
  }

  return {
    show() {
      const now = JSON.stringify(statusOf(folder.id)?.held ?? null);
      if (now !== seen && now !== "null") {
        load();
      }
      seen = now;
      draw();
    },
    again: load,
  };
}

// What was done to the files of a group, by whom, and where that is held: the words of the command `held`.
function words(one) {
  const files = t(one.at || one.folders.length ? "held.count" : "held.rest", { n: one.files });
  const done = t(`held.${one.kind}.${one.here ? "here" : "there"}`, { who: one.by, where: one.at });
  const isTold = one.kind === "unknown" || (one.kind === "vanished" && one.at === one.by); // where it is held
  return `${files} ${done}${one.at && !isTold ? ` (${t("held.at", { where: one.at })})` : ""}`;
}

export function heldCount(status) {
  const most = new Map(); // several machines may hold what was done to the same files
  for (const one of status?.held ?? []) {
    const key = JSON.stringify([one.by, one.missing ? one.at : ""]);
    most.set(key, Math.max(most.get(key) ?? 0, one.files));
  }
  return [...most.values()].reduce((sum, files) => sum + files, 0);
}
