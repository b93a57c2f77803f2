// A list of any length: only the rows in sight are in the document, and pages of rows are asked for when they come into sight.

import { h, show } from "./dom.js";

const PAGE = 200;
const AROUND = 8; // rows above and below that are kept ready

// `load(offset, limit)`: a promise of {count, rows}. `row(item)`: what is in a row. `label`: for screen readers.
export function virtualList({ label, load, row, onCount = null }) {
  const inner = h("div", { class: "virtual-inner", role: "list", "aria-label": label });
  const element = h("div", { class: "virtual", "data-own": true, tabindex: "0", role: "region", "aria-label": label }, inner);
  let count = null;
  let pages = new Map();
  let asked = 0;
  let frame = 0;

  const height = () => parseFloat(getComputedStyle(element).getPropertyValue("--row")) * parseFloat(getComputedStyle(document.documentElement).fontSize);

  async function fetchPage(number) {
    const mine = asked;
    if (!pages.has(number)) pages.set(number, null);
    try {
      const answer = await load(number * PAGE, PAGE);
      if (mine !== asked) return;
      if (count !== answer.count) pages = new Map(); // other pages are of another list
      count = answer.count;
      pages.set(number, answer.rows);
      onCount?.(answer);
    } catch (error) {
      if (mine !== asked) return;
      pages.delete(number); // asked for again with the next look
      show(inner, h("p", { class: "note bad", lang: error.lang }, error.message));
      return;
    }
    draw();
  }

  function draw() {
    if (count === null) return;
    const size = height();
    inner.style.height = `${Math.max(count * size, 1)}px`;
    element.style.height = `${Math.min(count * size + 4, Math.max(240, window.innerHeight * 0.68))}px`;
    const first = Math.max(0, Math.floor(element.scrollTop / size) - AROUND);
    const last = Math.min(count, Math.ceil((element.scrollTop + element.clientHeight) / size) + AROUND);
    const rows = [];
    for (let index = first; index < last; index += 1) {
      const page = Math.floor(index / PAGE);
      if (!pages.has(page)) fetchPage(page);
      const item = pages.get(page)?.[index % PAGE];
      const line = h("div", { class: "virtual-row", role: "listitem", id: `row-${index}`, "aria-setsize": count, "aria-posinset": index + 1 },
        item ? row(item) : "…");
      line.style.top = `${index * size}px`;
      rows.push(line);
    }
    show(inner, rows);
    for (const line of inner.children) {
      const index = Number(line.id.slice(4));
      line.style.top = `${index * size}px`;
    }
  }

  const soon = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  };
  element.onscroll = soon;
  element.onkeydown = (event) => {
    if (event.key === "Escape") element.focus(); // out of the rows: there may be a hundred thousand to go through
  };
  const watcher = new ResizeObserver(soon);
  watcher.observe(element);

  return {
    element,
    // Begin again, for example after another search.
    restart() {
      asked += 1;
      pages = new Map();
      element.scrollTop = 0;
      return fetchPage(0);
    },
    // The same list, as it is now: the first page stays until the answer is here, and the others are asked for again.
    again() {
      asked += 1;
      pages = new Map([[0, pages.get(0)]]);
      return fetchPage(0);
    },
    close() {
      watcher.disconnect();
    },
  };
}
