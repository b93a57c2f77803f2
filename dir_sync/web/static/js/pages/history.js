// All old versions in a folder, newest first.

import { get } from "../api.js";
import { h, show } from "../dom.js";
import { bytes, moment } from "../format.js";
import { t } from "../i18n.js";
import { link } from "../ui.js";
import { counted, virtualList } from "../virtual.js";

const TYPING_MS = 250;

export function history({ place, params, folder }) {
  const head = h("div"); // the list stays where it is: one that is moved forgets how far it was scrolled
  let text = params.find ?? "";
  let answer = null;
  let typing = 0;

  const list = virtualList({
    label: t("history.title"),
    load: (offset, limit) => get(`folders/${folder.id}/history`, { find: text || null, offset, limit }),
    row: (one) => [
      h("span", { class: `why ${one.why}` }, t(`why.${one.why}`)),
      h("span", { class: "cell name", title: one.path }, link("file", { folder: folder.id, path: one.key }, one.path)),
      h("span", { class: "cell num" }, one.kind === "file" ? bytes(one.size) : ""),
      h("span", { class: "cell by hide-narrow" }, one.by),
      h("span", { class: "cell when hide-narrow" }, moment(one.until_ms)),
    ],
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
      h("p", { class: "soft" }, t("history.words")),
      h("form", { class: "row", role: "search", id: "search", onsubmit: (event) => event.preventDefault() },
        h("label", { class: "grow" }, h("span", { class: "hidden" }, t("files.find")),
          h("input", { type: "search", id: "find", placeholder: t("files.find"), value: text, oninput, class: "wide" }))),
      h("p", { class: "soft", role: "status", id: "count" }, answer ? counted(answer) : t("loading")));
  }

  place.append(head, list.element);
  draw();
  list.restart();
  return { close: () => list.close() };
}
