// Begins: language, navigation, the stream of events; and shows the page that the address names.

import { h, show } from "./dom.js";
import { LANGUAGES, language, load, preferred, t } from "./i18n.js";
import { connect, listen, live } from "./live.js";
import { PAGES } from "./pages.js";

const nav = document.getElementById("nav");
const main = document.getElementById("main");
const tools = document.getElementById("tools");

let current = null; // {page, params, folder, isAnswering, view}
let isBack = false; // the stream has begun again: the next state is news of what was missed

function where() {
  const [, name = "", query = ""] = /^#\/(\w+)(?:\?(.*))?$/.exec(location.hash) ?? [];
  const page = PAGES.find((one) => one.name === name) ?? PAGES[0];
  return { page, params: Object.fromEntries(new URLSearchParams(query)) };
}

function folderOf(params) {
  const folders = live.state?.folders ?? [];
  return folders.find((one) => one.id === params.folder) ?? folders.find((one) => one.running) ?? folders[0] ?? null;
}

function open() {
  current?.view.close?.();
  const { page, params } = where();
  const folder = folderOf(params);
  const place = h("div", { class: `page page-${page.name}` });
  current = { page, params, folder: folder?.id, isAnswering: Boolean(folder?.status), view: null };
  document.title = `${t(`${page.name}.title`)} – dir_sync`;
  main.replaceChildren(h("h1", { tabindex: "-1", id: "title" }, t(`${page.name}.title`)),
    h("div", { id: "standing", role: "status" }), place);
  if (page.ofFolder && !folder) {
    place.append(h("p", { class: "empty" }, t("overview.none")));
    current.view = {};
  } else {
    current.view = page.open({ place, params, folder });
    current.view.show?.(live.state);
  }
  frame();
  const here = nav.querySelector("[aria-current]");
  if (here) nav.scrollLeft = here.offsetLeft - (nav.clientWidth - here.offsetWidth) / 2; // in a narrow window it is one long line
}

// On a page of a folder whose node does not answer: that it does not, what that means, and what starts it.
function standing() {
  const folder = current.page.ofFolder ? folderOf({ folder: current.folder }) : null;
  if (!folder || folder.status) return null;
  return h("div", { class: "note", id: "no-node" },
    h("p", {}, t(folder.running ? "node.silent" : "node.stopped")),
    folder.problem ? h("p", { lang: "en" }, folder.problem) : null,
    folder.running ? null : h("p", {}, `${t("node.start")} `, h("code", {}, folder.start)));
}

// The navigation and the tools; drawn again when folders come and go.
function frame() {
  const place = document.getElementById("standing");
  if (place) show(place, standing());
  const folders = live.state?.folders ?? [];
  const chosen = current?.folder;
  show(nav, h("ul", {}, PAGES.filter((page) => !page.isHidden).map((page) => {
    const isHere = page.name === (current.page.below ?? current.page.name);
    const query = page.ofFolder && chosen ? `?folder=${chosen}` : "";
    const mark = page.mark?.(live.state, folderOf({ folder: chosen })) ?? 0;
    return h("li", {}, h("a", { href: `#/${page.name}${query}`, "aria-current": isHere ? "page" : null },
      t(`${page.name}.title`), mark ? h("span", { class: "mark" }, String(mark), h("span", { class: "hidden" }, ` ${t("waiting")}`)) : null));
  })));
  show(tools,
    current.page.ofFolder && folders.length > 1
      ? h("label", { id: "folder-label" }, h("span", { class: "hidden" }, t("folder")),
        h("select", { id: "folder", onchange: choose }, folders.map((one) =>
          h("option", { value: one.id, selected: one.id === chosen }, one.name))))
      : null,
    live.isConnected ? null : h("span", { class: "badge bad", id: "offline" }, t(live.isRefused ? "refused" : "offline")),
    h("label", { id: "language-label" }, h("span", { class: "hidden" }, t("language")),
      h("select", { id: "language", onchange: speak }, Object.entries(LANGUAGES).map(([code, name]) =>
        h("option", { value: code, selected: code === language, lang: code }, name)))));
  for (const [id, value] of [["folder", chosen], ["language", language]]) {
    const select = document.getElementById(id);
    if (select && value) select.value = value;
  }
}

function choose(event) {
  location.hash = `#/${current.page.below ?? current.page.name}?folder=${event.target.value}`;
}

async function speak(event) {
  localStorage.setItem("language", event.target.value);
  await load(event.target.value);
  words();
  open();
}

function words() {
  document.getElementById("skip").textContent = t("skip");
  nav.setAttribute("aria-label", t("navigation"));
}

listen((name, value) => {
  if (name === "connection") {
    isBack = value;
    if (current) frame();
    return;
  }
  if (name === "state") {
    const isFirst = !current || (current.page.ofFolder && !current.folder && value.folders.length > 0);
    if (isFirst) {
      isBack = false;
      open();
      return;
    }
    frame();
    current.view.show?.(value);
    const isAnswering = Boolean(folderOf({ folder: current.folder })?.status);
    if (isBack || (isAnswering && !current.isAnswering)) current.view.again?.();
    current.isAnswering = isAnswering;
    isBack = false;
    return;
  }
  current?.view.event?.(name, value);
});

document.getElementById("skip").onclick = (event) => {
  event.preventDefault();
  main.focus();
};
window.addEventListener("hashchange", () => {
  open();
  document.getElementById("title").focus({ preventScroll: true });
  window.scrollTo(0, 0);
});

await load(preferred());
words();
connect();
