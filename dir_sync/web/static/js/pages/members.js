// Who belongs to the mesh: members, inviting by a code, removing.

import { get, post, Refused } from "../api.js";
import { h, s, show } from "../dom.js";
import { clock, moment } from "../format.js";
import { t } from "../i18n.js";
import { live } from "../live.js";
import { badge, button, confirm, fillPage, say, table } from "../ui.js";

const LASTS = [600, 3600, 86400];

export function members({ place, folder }) {
  const base = `folders/${folder.id}`;
  let mesh = null;
  let code = null; // {code, rows}
  let before = "";
  const wish = { role: "rw", lasts: 600 };

  const load = () => fillPage(place, async () => {
    mesh = await get(`${base}/mesh`);
    draw();
  });

  // Something is different. While the node begins anew, what is known stays in place.
  const again = async () => {
    try {
      mesh = await get(`${base}/mesh`);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
    draw();
  };

  const here = () => live.state?.folders.find((one) => one.id === folder.id);

  const invite = async () => {
    if (!mesh.closed) {
      const detail = mesh.peers.length ? h("p", {}, t("members.close.peers", { who: mesh.peers.join(", ") })) : null;
      if (!await confirm(t("members.close.ask"), t("members.close"), { detail, danger: true })) return;
      await post(`${base}/close`, { consent: true });
      say(t("members.closing"));
      await closed();
    }
    await post(`${base}/invite`, { role: wish.role, lasts_s: wish.lasts });
    code = await get(`${base}/invitation`);
    await load();
    document.getElementById("code").focus();
  };

  // The node begins anew with a key: the stream of events says when it answers again.
  function closed() {
    return new Promise((resolve) => {
      waiting = resolve;
    });
  }
  let waiting = null;

  const end = async () => {
    await post(`${base}/uninvite`);
    code = null;
    draw();
  };

  const remove = (one) => async () => {
    const plan = await post(`${base}/remove/plan`, { lost: [one.identity] });
    const boxes = plan.others.map((other) => [other, h("input", { type: "checkbox", checked: other.stays, disabled: other.me, id: `stays-${other.identity}` })]);
    const detail = h("div", {}, h("p", {}, t("members.remove.words")), h("p", {}, t("members.remove.stay")),
      boxes.map(([other, box]) => h("label", { class: "check" }, box, h("span", {}, other.name, other.me ? ` (${t("members.me")})` : "",
        other.why ? h("span", { class: "soft" }, ` – ${other.why}`) : null))));
    if (!await confirm(t("members.remove.ask", { who: one.name }), t("members.remove"), { detail, danger: true })) return;
    const stay = boxes.filter(([, box]) => box.checked).map(([other]) => other.identity);
    const lost = [one.identity, ...boxes.filter(([, box]) => !box.checked).map(([other]) => other.identity)];
    await post(`${base}/remove`, { lost, stay });
    say(t("members.removed", { who: one.name }), "good");
    await load();
  };

  function invitation() {
    const found = here()?.invitation;
    if (found && (found.over || found.joined)) {
      return h("p", { class: found.joined ? "note good" : "note", id: "over", role: "status" },
        found.joined ? t("members.joined", { who: found.joined }) : t("members.nobody", { why: found.over }));
    }
    if (!code) return null;
    const guesses = found && found.guesses < 3 ? h("p", { class: "note bad" }, t("members.guesses", { n: found.guesses })) : null;
    return h("div", { class: "invitation", id: "invitation" },
      picture(code),
      h("div", {}, h("p", {}, t("members.code")), h("p", { class: "code", id: "code", tabindex: "-1" }, code.code),
        h("p", { class: "soft" }, h("code", {}, `dir-sync join DIR ${code.code}`)),
        found ? h("p", { class: "soft" }, t("members.valid", { when: clock(found.until_s * 1000) })) : null,
        guesses, button(t("members.end"), end, { id: "end" })));
  }

  function draw() {
    if (!mesh) return;
    show(place,
      h("section", { class: "card", id: "mesh-card", "aria-labelledby": "mesh-h" },
        h("div", { class: "row" }, h("h2", { id: "mesh-h" }, mesh.closed ? t("members.mesh", { key: mesh.fingerprint, n: mesh.count }) : t("members.open")),
          badge(t(mesh.closed ? "members.is-closed" : "members.is-open"), mesh.closed ? "good" : "warn")),
        mesh.closed ? list() : h("p", {}, t("members.open.words"))),
      h("section", { class: "card", id: "invite-card", "aria-labelledby": "invite-h" },
        h("h2", { id: "invite-h" }, t("members.invite")),
        h("div", { class: "row" },
          h("label", {}, h("span", { class: "hidden" }, t("members.role")), h("select", { id: "role", onchange: (event) => { wish.role = event.target.value; } },
            ["rw", "ro"].map((one) => h("option", { value: one }, t(`role.${one}`))))),
          h("label", {}, h("span", { class: "hidden" }, t("members.lasts")), h("select", { id: "lasts", onchange: (event) => { wish.lasts = Number(event.target.value); } },
            LASTS.map((one) => h("option", { value: one }, t(`lasts.${one}`))))),
          button(t("members.invite.do"), invite, { id: "invite", kind: "primary" })),
        invitation()));
  }

  function list() {
    return table(["members.name", "members.role", "members.since", "members.by", "members.seen", ""], mesh.members.map((one) => ({
      id: `member-${one.identity}`,
      cells: [
        [one.name, h("span", { class: "soft" }, ` ${one.identity.slice(0, 8)}`)],
        t(`role.${one.role}`),
        one.since_s ? moment(one.since_s * 1000) : "–",
        one.by || "–",
        one.me ? t("members.me") : one.on ? t("members.on") : one.seen_s ? moment(one.seen_s * 1000) : t("never"),
        one.me ? null : button(t("members.remove"), remove(one), { id: `remove-${one.identity}`, label: t("members.remove.ask", { who: one.name }) }),
      ],
    })), { label: "mesh-h" });
  }

  load();
  return {
    show() {
      const folderNow = here();
      const isClosed = Boolean(folderNow?.status?.mesh);
      if (waiting && isClosed) {
        waiting();
        waiting = null;
      }
      const now = JSON.stringify([folderNow?.status?.mesh, folderNow?.invitation?.joined, folderNow?.status?.peers.length]);
      if (before && now !== before && folderNow?.status) again();
      before = now;
      draw();
    },
  };
}

function picture({ code, rows }) {
  const edge = 4;
  const size = rows.length + 2 * edge;
  const path = rows.flatMap((row, y) => [...row].map((point, x) => (point === "1" ? `M${x + edge} ${y + edge}h1v1h-1z` : ""))).join("");
  return s("svg", { class: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": t("members.qr", { code }) },
    s("rect", { width: size, height: size, fill: "#fff" }), s("path", { d: path, fill: "#000", "shape-rendering": "crispEdges" }));
}
