// One file: its versions as a timeline; each can be looked at, compared, downloaded and brought back.

import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { bytes, moment } from "../format.js";
import { t } from "../i18n.js";
import { statusOf } from "../live.js";
import { attempt, badge, button, confirm, elsewhere, empty, fillPage, following, link, say, who } from "../ui.js";

const NOW = "now";
const AT_ONCE = 50; // versions: a file may have very many, and each has its buttons

export function file({ place, params, folder }) {
  const base = `folders/${folder.id}`;
  let told = null;
  let why = null; // lines
  let most = AT_ONCE; // versions that are shown
  let seen = null; // {version, kind: "preview" | "diff", value}

  const query = (version) => new URLSearchParams({ path: params.path, version });
  const load = () => fillPage(place, async () => {
    told = await get(`${base}/timeline`, { path: params.path });
    draw();
  });

  const preview = (version) => async () => {
    const value = await get(`${base}/text`, { path: params.path, version });
    seen = { version, kind: "preview", value };
    draw();
    document.getElementById("seen").focus();
  };

  const diff = (version) => async () => {
    const value = await get(`${base}/diff`, { path: params.path, from: version, to: NOW });
    seen = { version, kind: "diff", value };
    draw();
    document.getElementById("seen").focus();
  };

  const restore = (one) => async () => {
    if (!await confirm(t("file.restore.ask", { when: moment(one.mtime_ms) }), t("file.restore"))) return;
    const answer = await post(`${base}/restore`, { path: params.path, version: one.id });
    say(answer.restored ? t("file.restored") : t("file.same"), "good");
    seen = null;
    await load();
  };

  const ask = (event) => {
    if (event.currentTarget.open && !why) {
      attempt(async () => {
        why = (await get(`${base}/why`, { path: params.path })).lines;
        draw();
      });
    }
  };

  function entry(version, one, isNow) {
    const isFile = one.kind === "file";
    const id = isNow ? NOW : one.id;
    return h("li", { id: `version-${id}-${one.until_ms ?? 0}`, class: isNow ? "now" : "" },
      h("div", { class: "row" },
        h("strong", {}, isNow ? t("file.now") : t("file.until", { when: moment(one.until_ms) })),
        isNow ? null : badge(t(`why.${one.why}`), one.why === "conflict" ? "warn" : "idle")),
      h("p", { class: "soft" }, [
        isFile ? bytes(one.size) : t(`kind.${one.kind}`),
        t("file.changed", { when: moment(one.mtime_ms) }),
        isNow ? null : t("file.by", { who: who(one.by) }),
        isNow || one.here ? null : t("file.on", { where: one.on }),
      ].filter(Boolean).join(" · ")),
      h("div", { class: "row" },
        isFile ? button(t("file.preview"), preview(version), { id: `preview-${id}` }) : null,
        isFile && !isNow && told.text ? button(t("file.diff"), diff(version), { id: `diff-${id}` }) : null,
        h("a", { class: "button", href: `/api/${base}/download?${query(version)}`, download: true, id: `download-${id}` }, t("file.download")),
        isNow ? null : button(t("file.restore"), restore(one), { id: `restore-${id}`, kind: "primary" })));
  }

  const more = () => {
    const first = told.versions[most];
    most += AT_ONCE;
    draw();
    document.getElementById(`restore-${first.id}`)?.focus(); // the keyboard goes on with what is new
  };

  function shown() {
    if (!seen) return null;
    const { version, kind, value } = seen;
    const title = kind === "diff" ? t("file.diff.title", { added: value.added, removed: value.removed }) : t("file.preview.title");
    const close = () => {
      seen = null;
      draw();
      document.getElementById(`${kind}-${version}`)?.focus();
    };
    const onkeydown = (event) => {
      if (event.key === "Escape") close();
    };
    return h("section", { class: "card", id: "seen", tabindex: "-1", "aria-label": title, onkeydown },
      h("div", { class: "row" }, h("h2", {}, title), h("button", { type: "button", id: "close", onclick: close }, t("close"))),
      kind === "diff" ? compared(value) : content(version, value));
  }

  function content(version, value) {
    if (value.kind === "image") {
      return h("img", { class: "preview", src: `/api/${base}/image?${query(version)}`, alt: t("file.image", { name: told.path }) });
    }
    if (value.kind === "binary") return empty(t("file.binary", { size: bytes(value.size) }));
    return [value.encoding === "latin-1" ? h("p", { class: "soft", id: "encoding" }, t("file.latin")) : null, value.whole ? null : h("p", { class: "note" }, t("file.cut")), h("pre", { tabindex: "0" }, value.text || t("file.empty"))];
  }

  function draw() {
    if (!told) return;
    show(place,
      h("p", { class: "path" }, link("files", { folder: folder.id }, t("files.title")), ` / ${told.path}`),
      told.ignored ? h("p", { class: "note", id: "ignored" }, `${t("file.ignored")} `,
        link("ignore", { folder: folder.id }, t("ignore.place", { file: told.ignored.file || t("ignore.built-in"), line: told.ignored.line })),
        ": ", h("code", {}, told.ignored.text)) : null,
      shown(),
      h("section", { class: "card", "aria-labelledby": "timeline-title" },
        h("h2", { id: "timeline-title" }, t("file.timeline")),
        h("ol", { class: "timeline" },
          told.now ? entry(NOW, told.now, true) : h("li", { class: "now", id: "gone" }, t("file.gone")),
          told.versions.slice(0, most).map((one) => entry(one.id, one, false))),
        told.versions.length > most ? h("button", { type: "button", id: "more", onclick: more }, t("file.more", { n: told.versions.length - most })) : null,
        told.versions.length || !statusOf(folder.id) ? null : empty(t("file.none")),
        elsewhere(folder.id)),
      h("details", { class: "card", id: "why", ontoggle: ask }, h("summary", {}, t("file.why")),
        why ? h("pre", { tabindex: "0", lang: "en" }, why.join("\n")) : null));
  }

  load();
  const fresh = following(async () => {
    told = await get(`${base}/timeline`, { path: params.path });
    draw();
  });
  return {
    show: draw, // who is away changes
    event: fresh.event,
    again: load,
    close: fresh.stop,
  };
}

// What `diff` says: lines, or that there are none.
export function compared(value) {
  return value.kind === "binary" ? empty(t("file.no-lines")) : lines(value.lines);
}

function lines(rows) {
  if (!rows.length) return empty(t("file.equal"));
  const kind = (line) => ({ "+": "added", "-": "removed", "@": "place" })[line[0]] ?? "";
  const word = { added: t("diff.added"), removed: t("diff.removed") };
  return h("pre", { class: "diff", tabindex: "0" }, rows.map((line) =>
    h("span", { class: `line ${kind(line)}` }, word[kind(line)] ? h("span", { class: "hidden" }, `${word[kind(line)]}: `) : null, `${line}\n`)));
}
