// All files of a folder: folder by folder, or found by a part of the name.

import { get } from "../api.js";
import { h } from "../dom.js";
import { bytes, moment } from "../format.js";
import { t } from "../i18n.js";
import { count, listPage, searchedList } from "../searching.js";
import { link, pathWords } from "../ui.js";

export function files({ place, params, folder }) {
  const list = searchedList({
    place,
    label: t("files.title"),
    hint: t("files.find"),
    text: params.find,
    load: (query) => get(`folders/${folder.id}/files`, { dir: params.dir, ...query }),
    row: (one, isFound) => row(folder.id, one, isFound),
    head: (search, answer) => [
      search,
      h("nav", { class: "crumbs", "aria-label": t("files.where"), id: "crumbs" },
        link("files", { folder: folder.id }, folder.name),
        (answer?.above ?? []).map((one) => [" / ", link("files", { folder: folder.id, dir: one.key }, one.name)])),
      count(answer),
    ],
  });
  return listPage(list);
}

function row(id, one, isFound) {
  const name = isFound ? one.path : one.name;
  const target = one.kind === "folder" ? link("files", { folder: id, dir: one.key }, isFound ? pathWords(name) : name)
    : link("file", { folder: id, path: one.key }, isFound ? pathWords(name) : name);
  return [
    h("span", { class: `kind ${one.kind}`, role: "img", "aria-label": t(`kind.${one.kind}`) }),
    h("span", { class: "cell name", title: one.path }, target),
    h("span", { class: "cell num" }, one.kind === "file" ? bytes(one.size) : ""),
    h("span", { class: "cell when hide-narrow" }, moment(one.mtime_ms)),
  ];
}
