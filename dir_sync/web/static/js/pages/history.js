// All old versions in a folder, newest first.

import { get } from "../api.js";
import { h } from "../dom.js";
import { bytes, moment } from "../format.js";
import { t } from "../i18n.js";
import { count, listPage, searchedList } from "../searching.js";
import { elsewhere, link, pathWords, who } from "../ui.js";

export function history({ place, params, folder }) {
  const list = searchedList({
    place,
    label: t("history.title"),
    hint: t("files.find"),
    text: params.find,
    load: (query) => get(`folders/${folder.id}/history`, query),
    row: (one) => [
      h("span", { class: `why hide-narrow ${one.why}` }, t(`why.${one.why}`)),
      h("div", { class: "cell name two", title: one.path },
        link("file", { folder: folder.id, path: one.key }, pathWords(one.path)),
        h("span", { class: "soft only-narrow" }, [moment(one.until_ms), who(one.by), t(`why.${one.why}`), one.kind === "file" ? bytes(one.size) : null].filter(Boolean).join(" · "))),
      h("span", { class: "cell num hide-narrow" }, one.kind === "file" ? bytes(one.size) : ""),
      h("span", { class: "cell by hide-narrow" }, who(one.by)),
      h("span", { class: "cell when hide-narrow" }, moment(one.until_ms)),
    ],
    head: (search, answer) => [h("p", { class: "soft" }, t("history.words")), elsewhere(folder.id), search, count(answer)],
  });
  return listPage(list);
}
