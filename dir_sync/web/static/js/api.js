// What the pages ask the process: JSON in and out. An error is one line for the person.

import { t } from "./i18n.js";

// `lang`: of the line, if it is not that of the page; null: it is. `hasNoNode`: because no node runs for the folder, which the page
// says anyway.
export class Refused extends Error {
  constructor(line, lang = null, hasNoNode = false) {
    super(line);
    this.lang = lang;
    this.hasNoNode = hasNoNode;
  }
}

export async function get(path, query = {}) {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined));
  return answered(() => fetch(`/api/${path}${words.size ? `?${words}` : ""}`));
}

export async function post(path, body = {}) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return answered(() => fetch(`/api/${path}`, options));
}

async function answered(ask) {
  let answer;
  try {
    answer = await ask();
  } catch {
    throw new Refused(t("offline"));
  }
  if (answer.status === 401) throw new Refused(t("refused"));
  const type = answer.headers.get("Content-Type") ?? "";
  const value = type.startsWith("application/json") ? await answer.json() : { error: await answer.text() };
  if (value.no_node) throw new Refused(t("node.none"), null, true);
  if (!answer.ok) throw new Refused(value.error ?? answer.statusText, "en");
  return value;
}
