// What the process tells without being asked: one stream of events for all pages.

const HOUR_S = 3600;

export const live = { state: null, points: [], isConnected: false };

const listeners = new Set();

export function listen(listener) {
  listeners.add(listener);
}

function tell(name, value) {
  for (const listener of listeners) listener(name, value);
}

export function connect() {
  const source = new EventSource("/api/live");
  source.onopen = () => {
    live.isConnected = true;
    tell("connection", true);
  };
  source.onerror = () => {
    live.isConnected = false;
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
  });
  on("hour", (points) => {
    live.points = points;
  });
  on("rates", (point) => {
    live.points.push(point);
    while (live.points.length && live.points[0][0] < point[0] - HOUR_S) live.points.shift();
  });
  on("activity");
}
