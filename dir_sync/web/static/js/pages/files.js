// All files of a folder: folder by folder, or found by a part of the name.

import { get } from "../api.js";
import { h, show } from "../dom.js";
import { bytes, moment } from "../format.js";
import { t } from "../i18n.js";
import { link } from "../ui.js";
import { counted, virtualList } from "../virtual.js";

const TYPING_MS = 250;

export function files({ place, params, folder }) {
  const head = h("div"); // the list stays where it is: one that is moved forgets how far it was scrolled
  let text = params.find ?? "";
  let answer = null;
  let typing = 0;

  const list = virtualList({
    label: t("files.title"),
    load: (offset, limit) => get(`folders/${folder.id}/files`, { dir: params.dir, find: text || null, offset, limit }),
    row: (one) => row(folder.id, one, Boolean(text)),
    onCount: (found) => {
      answer = found;
      draw();
    },
  });

  const oninput = (event) => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      text = event.target.value.trim();
      list.restart();
    }, TYPING_MS);
  };

  function draw() {
    show(head,
      h("form", { class: "row", role: "search", id: "search", onsubmit: (event) => event.preventDefault() },
        h("label", { class: "grow" }, h("span", { class: "hidden" }, t("files.find")),
          h("input", { type: "search", id: "find", placeholder: t("files.find"), value: text, oninput, class: "wide" }))),
      h("nav", { class: "crumbs", "aria-label": t("files.where"), id: "crumbs" },
        link("files", { folder: folder.id }, folder.name === "default" ? folder.path.split("/").pop() : folder.name),
        (answer?.above ?? []).map((one) => [" / ", link("files", { folder: folder.id, dir: one.key }, one.name)])),
      h("p", { class: "soft", role: "status", id: "count" }, answer ? counted(answer) : t("loading")));
  }

  place.append(head, list.element);
  draw();
  list.restart();
  return { close: () => list.close() };
}

function row(id, one, isFound) {
  const name = isFound ? one.path : one.name;
  const target = one.kind === "folder" ? link("files", { folder: id, dir: one.key }, name)
    : link("file", { folder: id, path: one.key }, name);
  return [
    h("span", { class: `kind ${one.kind}`, role: "img", "aria-label": t(`kind.${one.kind}`) }),
    h("span", { class: "cell name", title: one.path }, target),
    h("span", { class: "cell num" }, one.kind === "file" ? bytes(one.size) : ""),
    h("span", { class: "cell when hide-narrow" }, moment(one.mtime_ms)),
  ];
}
