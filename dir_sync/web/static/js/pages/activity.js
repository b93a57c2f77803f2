// What is going on, as it happens: the events of all folders, newest first.

import { get } from "../api.js";
import { h } from "../dom.js";
import { bytes, clock, moment } from "../format.js";
import { has, t } from "../i18n.js";
import { live } from "../live.js";
import { counted, searchedList } from "../searching.js";
import { tell } from "../ui.js";

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

// A row has few lines. A text that may need more of them can be opened.
const ROW_CHARS = 60;
function whole(words, short, kind, lang) {
  const text = h("span", { class: "clamp" }, short);
  if (words.length <= ROW_CHARS) return h("span", { class: kind, lang }, text);
  return h("button", { type: "button", class: `plain ${kind}`, title: words, lang, "aria-haspopup": "dialog", onclick: () => tell(words, lang) }, text);
}

// In a narrow window a long path is cut in its folders, so that the name can be seen.
const PATH_CHARS = 44;
const NARROW = window.matchMedia("(max-width: 47rem)");
function shortened(path) {
  if (!NARROW.matches || typeof path !== "string" || path.length <= PATH_CHARS) return path;
  const name = path.slice(path.lastIndexOf("/") + 1);
  return `${path.slice(0, Math.max(8, PATH_CHARS - name.length))}…/${name}`;
}

function row(one) {
  const several = (live.state?.folders.length ?? 0) > 1;
  const folder = several ? live.state.folders.find((other) => other.id === one.folder) : null;
  const key = `event.${one.event}`;
  const isKnown = has(key); // what has no words in the language of the page is said as in the log, in English
  const say = (path) => t(key, { ...one, path: path(one.path), source: path(one.source), size: bytes(one.size ?? 0), peers: one.peers?.join(", ") });
  const words = isKnown ? say((path) => path) : one.text;
  return [
    h("time", { class: "cell clock", title: moment(one.time_s * 1000), datetime: new Date(one.time_s * 1000).toISOString() }, clock(one.time_s * 1000)),
    whole(words, isKnown ? say(shortened) : words, `cell name lines ${one.bad ? "bad" : ""}`, isKnown ? null : "en"),
    folder ? h("span", { class: "cell by hide-narrow", title: folder.path }, folder.name) : null,
  ];
}
