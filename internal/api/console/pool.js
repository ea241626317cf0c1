// The pool: how the workers are doing, where requests wait, and what was refused.

import { clock, count, duration, el, problem, row, table } from "./elements.js";
import { History, together } from "./figures.js";
import { send } from "./requests.js";

const every = 2000; // milliseconds between readings
const recent = 10; // seconds that the figures of now are of
const slow = 2; // times the median of all workers
const history = new History(); // stays while other parts are shown

export async function showPool(main, { signal }) {
  const view = el("div");
  const notice = el("div");
  let paused = false;
  const pause = el("button", { onclick() {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
  } }, "Pause");
  main.append(el("div", { class: "title" }, el("h1", {}, "Pool"), pause), notice, view);
  while (!signal.aborted) {
    if (!document.hidden && !paused) {
      try {
        history.add((await send("GET", "pool", { signal })).json);
        notice.replaceChildren();
        replace(view, draw());
      } catch (error) {
        if (signal.aborted) return;
        notice.replaceChildren(problem(error), el("p", {}, history.latest ?
          `What is below was last heard at ${clock(history.latest.time)}.` : ""));
      }
    }
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, every);
      signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
    });
  }
}

// replace shows the new children where the old ones were, scrolled and focused as these were.
function replace(view, children) {
  const boxes = () => [...view.querySelectorAll(".scroll")];
  const targets = () => [...view.querySelectorAll("a, .scroll")];
  const scrolled = boxes().map((b) => [b.scrollLeft, b.scrollTop]);
  const focus = targets().indexOf(document.activeElement);
  view.replaceChildren(...children);
  boxes().forEach((b, i) => b.scrollTo(...(scrolled[i] ?? [0, 0])));
  targets()[focus]?.focus({ preventScroll: true });
}

function draw() {
  const pairs = history.of(recent);
  const workers = history.latest.workers;
  const per = new Map(workers.map((w) => [w.id, history.lately(w.id, pairs)]));
  return [
    tiles(workers, per, pairs.length > 0),
    el("h2", {}, "Where requests wait"),
    el("p", { class: "hint" }, "The mean time of an operation, in the last ten seconds. What to do when a part is long: ",
      el("code", {}, "docs/operations.md#when-requests-wait"), "."),
    ...["read", "write"].map((queue) => stations(queue, history.stations(queue, pairs))),
    legend(),
    el("h2", {}, "Workers"),
    workerTable(per),
    el("h2", {}, "Failed since this page was opened, ten minutes at most"),
    refusals(),
  ];
}

// tiles show the pool as a whole.
function tiles(workers, per, known) {
  const all = together([...per.values()]);
  const [serving, lost] = ["serving", "no_database"]
    .map((state) => workers.filter((w) => w.state === state).length);
  const rates = history.pairs.map((p) => together(workers.map((w) => history.worker(w.id, p))
    .filter(Boolean)).rate);
  const tile = (name, value, more) => el("div", { class: "tile" },
    el("dt", {}, name), el("dd", {}, value, more ? el("small", {}, more) : ""));
  return el("dl", { class: "tiles" },
    tile("Workers serving", count(serving), lost > 0 ? `${lost} without a database` : ""),
    tile("Operations per second", count(known ? all.rate : NaN), line(rates)),
    tile("Lanes busy", Number.isNaN(all.busy) ? "–" : `${count(all.busy * 100)} %`),
    tile("Operations in a batch", count(all.batch)),
    tile("Waiting", count(all.waiting + waitingInAPI()), all.oldest > 0 ?
      `the oldest for ${duration(all.oldest)}` : ""),
    tile("Mean time in the worker", duration(all.waited + all.carried)));
}

const waitingInAPI = () => Object.values(history.latest.api.queues)
  .reduce((sum, q) => sum + q.waiting, 0);

// stations is a bar of where operations of a queue spend their time.
function stations(queue, all) {
  const total = all.reduce((sum, s) => sum + s.seconds, 0);
  const text = total > 0 ? all.map((s) => `${duration(s.seconds)} ${s.name}`).join(", ") : "none";
  return el("div", { class: "stations" },
    el("span", { class: "label" }, queue === "read" ? "Reads" : "Writes"),
    el("span", { class: "bar", "aria-hidden": "true" }, all.map((s, i) => {
      if (s.seconds === 0) return undefined;
      const part = el("span", { class: `station station${i}`,
        title: `${duration(s.seconds)} ${s.name}` });
      part.style.flexGrow = s.seconds / total; // the page's policy allows no style attributes
      return part;
    })),
    el("span", { class: "total" }, total > 0 ? duration(total) : "none"),
    total > 0 && el("span", { class: "parts" }, text));
}

function legend() {
  return el("ul", { class: "legend" }, history.stations("read", []).map((s, i) =>
    el("li", {}, el("span", { class: `station${i} key`, "aria-hidden": "true" }), s.name)));
}

const columns = ["Worker", "State", "Host", ["PID", "number"], "Version", ["Up", "number"], ["Per second", "number"], "Lately",
  ["Mean time", "number"], ["Batch", "number"], ["Lanes busy", "number"], ["Waiting", "number"],
  ["Errors", "number"]];

function workerTable(per) {
  const times = [...per.values()].map((f) => f.waited + f.carried).filter((t) => t > 0)
    .sort((a, b) => a - b);
  const median = times[Math.floor((times.length - 1) / 2)];
  const stateOf = (id, w) => {
    if (w.gone) return `gone since ${clock(w.gone)}`;
    if (w.worker.state !== "serving") return w.worker.state.replace("_", " ");
    return per.get(id).waited + per.get(id).carried > slow * median ? "slow" : "serving";
  };
  const rank = (w) => (w.gone ? 2 : w.state === "serving" ? 1 : 0); // what needs attention is first
  const workers = [...history.workers].map(([id, w]) => ({ id, ...w, state: stateOf(id, w) }))
    .sort((a, b) => rank(a) - rank(b) || a.first - b.first ||
      (a.worker.started < b.worker.started ? -1 : 1));
  const rows = workers.map(({ id, worker, gone, state }) => {
    const f = per.get(id);
    const figures = gone ? Array(8).fill("") : [
      duration(Math.max(Date.parse(history.latest.time) - Date.parse(worker.started), 0) / 1000),
      count(f.rate),
      line(history.pairs.map((p) => history.worker(id, p)?.rate ?? 0)),
      duration(f.waited + f.carried), count(f.batch),
      Number.isNaN(f.busy) ? "–" : `${count(f.busy * 100)} %`, count(f.waiting),
      count(history.errors(id))];
    return row(columns, [el("span", { title: id }, id.slice(0, 8)), state, worker.host, worker.pid, worker.version,
      ...figures],
      { class: gone ? "gone" : state === "serving" ? "" : "attention" });
  });
  return el("div", { class: "workers" }, table(
    "Each worker, in the last ten seconds; errors in the last ten minutes", columns, rows,
    "No worker answers: requests are refused with 503."));
}

function refusals() {
  const kinds = ["Kind", ["Requests", "number"]];
  return table("Requests that failed where this page asks, by kind", kinds, history.problems.map((p) =>
    row(kinds, [el("a", { href: `problems/${p.kind}` }, p.kind), count(p.count)])),
  "Nothing was refused.");
}

// line draws figures over time, the latest at the right.
function line(figures) {
  const width = 120, height = 24, most = Math.max(...figures, 1e-9);
  const step = width / Math.max(figures.length, 30);
  const x = (i) => width - (figures.length - 1 - i) * step;
  const d = figures.map((f, i) =>
    `${i ? "L" : "M"}${x(i).toFixed(1)} ${(height - 1 - (f / most) * (height - 2)).toFixed(1)}`);
  return el("svg", { class: "line", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    el("path", { d: d.join("") || "M0 0" }));
}
