// What is going on, as it happens; and the last changes in each folder.

import { h, show } from "../dom.js";
import { bytes, clock, moment } from "../format.js";
import { t } from "../i18n.js";
import { live } from "../live.js";
import { empty } from "../ui.js";

export function activity({ place }) {
  const draw = () => {
    const folders = (live.state?.folders ?? []).filter((one) => one.status);
    const rows = folders.flatMap((one) => (one.status.changes ?? []).map((change) => ({ ...change, folder: one })));
    rows.sort((one, other) => other.time_s - one.time_s);
    show(place, rows.length ? h("ol", { class: "plain", id: "changes" }, rows.map((one, index) => h("li", { id: `change-${index}` },
      h("time", { class: "soft", title: moment(one.time_s * 1000) }, clock(one.time_s * 1000)), " ",
      t(one.kind === "nothing" ? "activity.deleted" : "activity.changed", { who: one.by, path: one.path }),
      one.kind === "file" ? ` (${bytes(one.size)})` : ""))) : empty(t("activity.none")));
  };
  return { show: draw };
}
