// Parts that several pages use: buttons that say what came of them, questions, badges.

import { Refused } from "./api.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";
import { statusOf } from "./live.js";

// A line for everybody, also for screen readers; it goes after a while.
let saying = 0;
export function say(text, kind = "info", lang = null) {
  const place = document.getElementById("said");
  place.replaceChildren(h("p", { class: `said ${kind}`, lang }, text));
  clearTimeout(saying);
  saying = setTimeout(() => place.replaceChildren(), kind === "bad" ? 15000 : 6000);
}

// Runs what a button does; an error becomes a line.
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    say(error.message, "bad", error.lang);
    return undefined;
  }
}

// Fills a page. If that fails, the page says why, and can try again.
export async function fillPage(place, work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const line = error.hasNoNode ? "" : h("p", { class: "note bad", role: "alert", lang: error.lang }, error.message);
    place.replaceChildren(line,
      h("button", { type: "button", id: "again", onclick: () => fillPage(place, work) }, t("again")));
  }
}

// A button that was disabled has lost the focus; whoever uses the keyboard goes on from there, or from the title if it is gone.
function comeBack(it) {
  if (document.activeElement !== null && document.activeElement !== document.body) return;
  it.focus({ preventScroll: true });
  if (document.activeElement !== it) document.getElementById("title")?.focus({ preventScroll: true });
}

export function button(text, work, { kind = "", id = null, label = null, disabled = false } = {}) {
  const onclick = async (event) => {
    const it = event.currentTarget;
    it.disabled = true;
    it.setAttribute("data-busy", "");
    it.wanted = disabled; // a view that is drawn meanwhile may want something else
    try {
      await attempt(work);
    } finally {
      it.removeAttribute("data-busy");
      it.disabled = it.wanted;
      comeBack(it);
    }
  };
  return h("button", { type: "button", class: kind, id, "aria-label": label, onclick, disabled }, text);
}

// Asks before something that cannot be taken back. True if the person agrees.
export function confirm(text, yes, { detail = null, danger = false } = {}) {
  return new Promise((resolve) => {
    const close = (answer) => {
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    const dialog = h("dialog", { "aria-labelledby": "question" },
      h("h2", { id: "question" }, text),
      detail,
      h("div", { class: "row end" },
        h("button", { type: "button", onclick: () => close(false) }, t("cancel")),
        h("button", { type: "button", class: danger ? "danger" : "primary", id: "yes", onclick: () => close(true) }, yes)));
    dialog.oncancel = (event) => {
      event.preventDefault();
      close(false);
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}

// A text that is too long for its place, in full.
export function tell(text, lang = null) {
  const close = () => {
    dialog.close();
    dialog.remove();
  };
  const dialog = h("dialog", { id: "told", "aria-label": text },
    h("p", { class: "told", lang }, text),
    h("div", { class: "row end" }, h("button", { type: "button", id: "close", onclick: close }, t("close"))));
  dialog.oncancel = (event) => {
    event.preventDefault();
    close();
  };
  document.body.append(dialog);
  dialog.showModal();
}

export function badge(text, kind) {
  return h("span", { class: `badge ${kind}` }, text);
}

// `pairs`: the key of a text, and what it says of this; null: left out.
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([key, value]) => [h("dt", {}, t(key)), h("dd", {}, value)]));
}

// `heads`: the keys of the columns' texts. `rows`: {id, cells}; the first cell names the row, null is no cell. In a narrow window each
// row is a block, and each cell says what it is; the roles are said, because elements that are blocks lose theirs.
export function table(heads, rows, { caption = null, label }) {
  const words = heads.map((key) => (key ? t(key) : ""));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": label }, h("table", { class: "stack", role: "table" },
    caption,
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, words.map((word) =>
      word ? h("th", { scope: "col", role: "columnheader" }, word) : h("td", { role: "cell" })))),
    h("tbody", { role: "rowgroup" }, rows.map(({ id, cells: [name, ...cells] }) => h("tr", { id, role: "row" },
      h("th", { scope: "row", role: "rowheader" }, name),
      cells.map((cell, index) => h("td", { role: "cell", "data-label": words[index + 1], class: cell === null ? "none" : null }, cell)))))));
}

// Who made a change, or where a version is kept: what the node says of itself and of nobody, in the language of the page.
const NAMELESS = { "this node": "who.me", "first contact": "who.first", here: "who.here", "-": "who.unknown" };
export function who(name) {
  return name in NAMELESS ? t(NAMELESS[name]) : name;
}

// Who may keep old versions that are not listed, because it is not connected.
export function elsewhere(folder) {
  const away = (statusOf(folder)?.away ?? []).map((one) => one.name);
  return away.length ? h("p", { class: "note", id: "elsewhere" }, t("history.away", { n: away.length, who: away.join(", ") })) : null;
}

export function empty(text) {
  return h("p", { class: "empty" }, text);
}

export function link(page, params, ...children) {
  const words = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== null && value !== undefined));
  return h("a", { href: `#/${page}${words.size ? `?${words}` : ""}` }, children);
}

// A path whose folders are cut where there is no room for all of it; its name stays.
export function pathWords(path) {
  const at = path.lastIndexOf("/") + 1;
  return h("span", { class: "cut" }, at ? h("span", { class: "above" }, path.slice(0, at)) : null, h("span", { class: "last" }, path.slice(at)));
}

// Calls `work` some time after it was asked for, once for all that ask meanwhile, and never twice at a time.
const REST_MS = 2000;
function later(work) {
  let timer = 0;
  let isBusy = false;
  let isWanted = false;
  const run = async () => {
    timer = 0;
    isBusy = true;
    isWanted = false;
    try {
      await work();
    } finally {
      isBusy = false;
      if (isWanted) soon();
    }
  };
  const soon = () => {
    isWanted = true;
    if (!timer && !isBusy) timer = setTimeout(run, REST_MS);
  };
  const stop = () => {
    clearTimeout(timer);
    isWanted = false;
    timer = -1;
  };
  return { soon, stop };
}

// A part of a page that is read again some time after something has happened, or a person has changed something. What is known stays
// in place if that is refused.
export function following(read) {
  const fresh = later(async () => {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  });
  return { event: (name) => (name === "activity" || name === "changed" ? fresh.soon() : null), stop: fresh.stop };
}
