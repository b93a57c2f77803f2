// Conflicts: both sides beside each other, and a choice.

import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { bytes, moment } from "../format.js";
import { t } from "../i18n.js";
import { statusOf } from "../live.js";
import { button, empty, facts, fillPage, following, link, say, who } from "../ui.js";
import { compared } from "./file.js";

export function conflicts({ place, folder }) {
  const base = `folders/${folder.id}`;
  const differences = new Map();
  let answer = null;
  let known = null;

  const load = () => fillPage(place, async () => {
    answer = await get(`${base}/conflicts`);
    draw();
  });

  const settle = (one, choice) => async () => {
    await post(`${base}/conflicts`, { ids: [one.id], choice });
    say(t(`conflicts.${choice}.done`), "good");
    await load();
  };

  const compare = (one) => async () => {
    differences.set(one.id, await get(`${base}/diff`, { path: one.key, from: "now", to: one.id }));
    draw();
  };

  function side(title, pairs, action) {
    return h("div", { class: "side" }, h("h3", {}, title), facts(pairs), action);
  }

  function conflict(one) {
    const difference = differences.get(one.id);
    return h("section", { class: "card", id: `conflict-${one.id}`, "aria-labelledby": `path-${one.id}` },
      h("h2", { id: `path-${one.id}` }, link("file", { folder: folder.id, path: one.key }, one.path)),
      h("div", { class: "sides" },
        side(t("conflicts.winner"), one.now ? [["size", bytes(one.now.size)], ["changed", moment(one.now.mtime_ms)], ["by", who(one.now.by)]]
          : [["size", t("conflicts.gone")]], button(t("conflicts.keep"), settle(one, "keep"), { id: `keep-${one.id}` })),
        side(t("conflicts.loser"), [["size", bytes(one.size)], ["changed", moment(one.mtime_ms)],
          one.made_by ? ["by", who(one.made_by)] : null, ["kept", who(one.on)]],
          button(t("conflicts.restore"), settle(one, "restore"), { id: `take-${one.id}` }))),
      !difference && one.now?.text !== false ? button(t("file.diff"), compare(one), { id: `compare-${one.id}` }) : null,
      difference ? compared(difference) : null);
  }

  function draw() {
    if (!answer) return;
    show(place, h("p", { class: "soft" }, t("conflicts.words")),
      answer.rows.map(conflict),
      answer.rows.length || !statusOf(folder.id) ? null : empty(t("conflicts.none")));
  }

  // What another machine keeps is not in the count of this one: the list is read again when something happens.
  const fresh = following(async () => {
    if (!statusOf(folder.id)) return;
    answer = await get(`${base}/conflicts`);
    draw();
  });

  load();
  return {
    // Something has been settled elsewhere, or there are more.
    show() {
      const now = statusOf(folder.id)?.conflicts;
      if (now === undefined) return; // what is known stays in place
      if (known !== null && now !== known) load();
      known = now;
    },
    event: fresh.event,
    again: load,
    close: fresh.stop,
  };
}
