// What the process tells without being asked: one stream of events for all pages. A window that nobody sees has none: a browser opens
// six connections to one address, and the seventh window would wait for ever.

const HOUR_S = 3600;

// `isRefused`: the process runs, and does not know this browser: it was started anew, with another address.
export const live = { state: null, points: [], isConnected: false, isRefused: false };

const listeners = new Set();
let source = null; // null: there is none for now

// How a folder is doing; null: its node does not run or does not answer.
export function statusOf(id) {
  return live.state?.folders.find((one) => one.id === id)?.status ?? null;
}

export function listen(listener) {
  listeners.add(listener);
}

function tell(name, value) {
  for (const listener of listeners) listener(name, value);
}

export function connect() {
  document.addEventListener("visibilitychange", rest);
  begin();
}

// Ends the stream of a window that nobody sees, once it knows what to show; begins it when somebody looks again. One that was refused
// begins again, too: meanwhile the new address may have been opened in another window.
function rest() {
  const isOver = !source || source.readyState === EventSource.CLOSED;
  if (!document.hidden && isOver) begin();
  else if (document.hidden && source && live.state) {
    source.close();
    source = null;
  }
}

function begin() {
  source = new EventSource("/api/live");
  source.onopen = () => {
    live.isConnected = true;
    live.isRefused = false;
    tell("connection", true);
  };
  source.onerror = () => {
    live.isConnected = false;
    live.isRefused = source.readyState === EventSource.CLOSED; // where nobody answers, the browser tries again by itself
    tell("connection", false);
  };
  const on = (name, take) => {
    source.addEventListener(name, (event) => {
      const value = JSON.parse(event.data);
      take?.(value);
      tell(name, value);
    });
  };
  on("state", (value) => {
    live.state = value;
    rest();
  });
  on("hour", (points) => {
    live.points = points;
  });
  on("rates", (point) => {
    live.points.push(point);
    while (live.points.length && live.points[0][0] < point[0] - HOUR_S) live.points.shift();
  });
  on("activity");
  on("changed"); // by a person, in this window or another
}
