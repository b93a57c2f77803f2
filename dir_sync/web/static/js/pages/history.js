// All old versions in a folder, newest first.

import { get } from "../api.js";
import { h } from "../dom.js";
import { bytes, moment } from "../format.js";
import { t } from "../i18n.js";
import { count, listPage, searchedList } from "../searching.js";
import { elsewhere, link, who } from "../ui.js";

export function history({ place, params, folder }) {
  const list = searchedList({
    place,
    label: t("history.title"),
    hint: t("files.find"),
    text: params.find,
    load: (query) => get(`folders/${folder.id}/history`, query),
    row: (one) => [
      h("span", { class: `why ${one.why}` }, t(`why.${one.why}`)),
      h("span", { class: "cell name", title: one.path }, link("file", { folder: folder.id, path: one.key }, one.path)),
      h("span", { class: "cell num" }, one.kind === "file" ? bytes(one.size) : ""),
      h("span", { class: "cell by hide-narrow" }, who(one.by)),
      h("span", { class: "cell when hide-narrow" }, moment(one.until_ms)),
    ],
    head: (search, answer) => [h("p", { class: "soft" }, t("history.words")), elsewhere(folder.id), search, count(answer)],
  });
  return listPage(list);
}
