// A list of any length with a field in which a person types a part of what is looked for.

import { h, show } from "./dom.js";
import { t } from "./i18n.js";
import { following } from "./ui.js";
import { virtualList } from "./virtual.js";

const TYPING_MS = 250;

// `hint`: what the field is for. `load({find, offset, limit})`: a promise of {count, rows}. `row(item, isFound)`: what is in a row.
// `head(search, answer)`: what stands above the list: the field, and what the answer says; null: there is none yet.
export function searchedList({ place, label, hint, text = "", load, row, head }) {
  const above = h("div"); // the list stays where it is: one that is moved forgets how far it was scrolled
  let answer = null;
  let typing = 0;

  const list = virtualList({
    label,
    load: (offset, limit) => load({ find: text || null, offset, limit }),
    row: (item) => row(item, Boolean(text)),
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
    const search = h("form", { class: "row", role: "search", id: "search", onsubmit: (event) => event.preventDefault() },
      h("label", { class: "grow" }, h("span", { class: "hidden" }, hint),
        h("input", { type: "search", id: "find", placeholder: hint, value: text, oninput, class: "wide" })));
    show(above, head(search, answer));
  }

  place.append(above, list.element);
  draw();
  list.restart();
  return list;
}

// The view of a page that is such a list, and follows what happens. Whoever reads further below is not disturbed.
export function listPage(list) {
  const fresh = following(() => (list.element.scrollTop < 40 ? list.again() : null));
  return {
    event: fresh.event,
    again: list.again,
    close() {
      fresh.stop();
      list.close();
    },
  };
}

export function count(answer) {
  return h("p", { class: "soft", role: "status", id: "count" }, answer ? counted(answer) : t("loading"));
}

export function counted(answer) {
  return t("rows", { n: answer.count });
}
