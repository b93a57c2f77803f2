// The texts of the pages: one catalogue for each language, with the same keys.

export const LANGUAGES = { en: "English", de: "Deutsch" };

let texts = {};
let fallback = {};
let plurals = new Intl.PluralRules("en");

export let language = "en";
export let locale = "en"; // of numbers and times: the browser's own, if it is of that language

export async function load(wanted) {
  language = wanted in LANGUAGES ? wanted : "en";
  [texts, fallback] = await Promise.all([language, "en"].map(read));
  plurals = new Intl.PluralRules(language);
  locale = spoken().find((one) => one.slice(0, 2) === language) ?? language;
  document.documentElement.lang = language;
}

async function read(one) {
  const answer = await fetch(`/static/lang/${one}.json`);
  return answer.json();
}

function spoken() {
  return navigator.languages ?? [navigator.language];
}

export function preferred() {
  const chosen = localStorage.getItem("language");
  if (chosen) return chosen;
  return spoken().map((one) => one.slice(0, 2)).find((one) => one in LANGUAGES) ?? "en";
}

export function has(key) {
  return key in texts;
}

// t("files", {n: 3}): "{n} files"; a key with a number has the forms "files.one" and "files.other".
export function t(key, values = {}) {
  let text = texts[key] ?? fallback[key];
  if (text === undefined && "n" in values) {
    const form = `${key}.${plurals.select(values.n)}`;
    text = texts[form] ?? texts[`${key}.other`] ?? fallback[`${key}.other`];
  }
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? value.toLocaleString(locale) : value;
  });
}
