// What is going on, as it happens: the events of all folders, newest first.

import { get } from "../api.js";
import { h } from "../dom.js";
import { bytes, clock, moment } from "../format.js";
import { has, t } from "../i18n.js";
import { live } from "../live.js";
import { counted, searchedList } from "../searching.js";

export function activity({ place }) {
  const list = searchedList({
    place,
    label: t("activity.title"),
    hint: t("activity.find"),
    load: (query) => get("activity", query),
    row,
    head: (search, answer) => [
      search,
      h("p", { class: "soft", id: "count" }, answer ? (answer.count ? counted(answer) : t("activity.none")) : t("loading")),
    ],
  });
  return {
    // New events come in at the top; whoever reads further below is not disturbed.
    event(name) {
      if (name === "activity" && list.element.scrollTop < 40) list.again();
    },
    again: list.again,
    close: list.close,
  };
}

function row(one) {
  const several = (live.state?.folders.length ?? 0) > 1;
  const folder = several ? live.state.folders.find((other) => other.id === one.folder) : null;
  const key = `event.${one.event}`;
  const isKnown = has(key); // what has no words in the language of the page is said as in the log, in English
  const words = isKnown ? t(key, { ...one, size: bytes(one.size ?? 0), peers: one.peers?.join(", ") }) : one.text;
  return [
    h("time", { class: "cell clock", title: moment(one.time_s * 1000), datetime: new Date(one.time_s * 1000).toISOString() }, clock(one.time_s * 1000)),
    h("span", { class: `cell name lines ${one.bad ? "bad" : ""}`, title: words, lang: isKnown ? null : "en" }, words),
    folder ? h("span", { class: "cell by hide-narrow", title: folder.path }, folder.name) : null,
  ];
}
