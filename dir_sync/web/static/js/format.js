// Numbers, sizes, rates and times, as people of the chosen language read them.

import { locale, t } from "./i18n.js";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

export function bytes(amount) {
  let unit = 0;
  let value = amount;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit && value < 9.95 ? 1 : 0;
  return `${value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${UNITS[unit]}`;
}

export function rate(amount) {
  return `${bytes(amount)}/s`;
}

export function number(value) {
  return value.toLocaleString(locale);
}

export function moment(timeMs) {
  return new Date(timeMs).toLocaleString(locale, { dateStyle: "medium", timeStyle: "medium" });
}

export function clock(timeMs) {
  return new Date(timeMs).toLocaleTimeString(locale);
}

export function ago(timeMs) {
  const seconds = Math.max(0, Math.round((Date.now() - timeMs) / 1000));
  const words = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= size) return words.format(-Math.floor(seconds / size), unit);
  }
  return words.format(-seconds, "second");
}

export function span(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 90) return t("span.seconds", { n: Math.round(seconds) });
  if (seconds < 5400) return t("span.minutes", { n: Math.round(seconds / 60) });
  return t("span.hours", { n: Math.round(seconds / 360) / 10 });
}
