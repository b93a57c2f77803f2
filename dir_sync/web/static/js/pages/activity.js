// What is going on, as it happens: the events of all folders, newest first.

import { get } from "../api.js";
import { h, show } from "../dom.js";
import { bytes, clock, moment } from "../format.js";
import { has, t } from "../i18n.js";
import { live } from "../live.js";
import { counted, virtualList } from "../virtual.js";

const TYPING_MS = 250;

export function activity({ place }) {
  const head = h("div"); // the list stays where it is: one that is moved forgets how far it was scrolled
  let text = "";
  let answer = null;
  let typing = 0;

  const list = virtualList({
    label: t("activity.title"),
    load: (offset, limit) => get("activity", { find: text || null, offset, limit }),
    row,
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
        h("label", { class: "grow" }, h("span", { class: "hidden" }, t("activity.find")),
          h("input", { type: "search", id: "find", placeholder: t("activity.find"), class: "wide", oninput }))),
      h("p", { class: "soft", id: "count" }, answer ? (answer.count ? counted(answer) : t("activity.none")) : t("loading")));
  }

  place.append(head, list.element);
  draw();
  list.restart();
  return {
    // New events come in at the top; whoever reads further below is not disturbed.
    event(name) {
      if (name === "activity" && list.element.scrollTop < 40) list.again();
    },
    close: () => list.close(),
  };
}

function row(one) {
  const several = (live.state?.folders.length ?? 0) > 1;
  const folder = several ? live.state.folders.find((other) => other.id === one.folder) : null;
  const key = `event.${one.event}`;
  const words = has(key) ? t(key, { ...one, size: bytes(one.size ?? 0) }) : one.text;
  return [
    h("time", { class: "cell clock", title: moment(one.time_s * 1000), datetime: new Date(one.time_s * 1000).toISOString() }, clock(one.time_s * 1000)),
    h("span", { class: `cell name ${one.bad ? "bad" : ""}`, title: words }, words),
    folder ? h("span", { class: "cell by hide-narrow", title: folder.path }, folder.name === "default" ? folder.path.split("/").pop() : folder.name) : null,
  ];
}
