// What the parts of the console are made of. Elements are built from texts only, so that nothing
// in a document or in an answer can become markup.

const svgNames = new Set(["svg", "path", "rect", "line", "title", "g"]);

// el returns an element with attributes and children. A child may be a text; one that is nothing
// is left out.
export function el(name, attributes = {}, ...children) {
  const e = svgNames.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) :
    document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== false) e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== false));
  return e;
}

// table returns a table that scrolls in its own box where it is too wide. Each column is its head,
// or a head and a class.
export function table(caption, columns, rows, empty) {
  const heads = columns.map((c) => [c].flat());
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, heads.map(([name, kind]) =>
        el("th", { scope: "col", class: kind }, name)))),
      el("tbody", {}, rows.length > 0 ? rows : el("tr", {},
        el("td", { colspan: columns.length, class: "empty" }, empty)))));
}

// row returns a row of such a table. Its first cell is its head.
export function row(columns, cells, attributes = {}) {
  return el("tr", attributes, cells.map((cell, i) => {
    const kind = [columns[i]].flat()[1];
    return i === 0 ? el("th", { scope: "row", class: kind }, cell) : el("td", { class: kind }, cell);
  }));
}

// problem shows what an answer says is wrong. Where a token doesn't count any more another one can be
// given, unless that is being asked for.
export function problem(error, asking = false) {
  if (!error.kind) return el("p", { class: "bad", role: "alert" }, error.message);
  return el("div", { class: "bad", role: "alert" },
    el("p", {}, el("strong", {}, `${error.title}.`), error.detail ? ` (${error.detail})` : "", " ",
      el("a", { href: `problems/${error.kind}` }, "What does this mean?")),
    error.status === 401 && !asking && el("p", {}, el("button", { type: "button", onclick() {
      dispatchEvent(new Event("signin"));
    } }, "Sign in again")),
    error.violations?.length > 0 && el("ul", {}, error.violations.map((v) =>
      el("li", {}, el("code", {}, v.pointer || "the document"), ` ${v.reason}`))));
}

// confirmed asks before something that can't be undone, and tells whether to do it. It asks no longer
// once the signal is aborted.
export function confirmed(question, action, signal) {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => dialog.close("no"), { once: true });
    const dialog = el("dialog", { "aria-labelledby": "question", onclose: () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    } }, el("form", { method: "dialog" },
      el("p", { id: "question" }, question),
      el("button", { value: "yes" }, action), " ",
      el("button", { value: "no", autofocus: true }, "Cancel")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Numbers and times as people read them.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const some = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

export const count = (n) => (n === undefined || Number.isNaN(n) ? "–" :
  n > 0 && n < 10 && !Number.isInteger(n) ? some.format(n) : whole.format(n));

export function duration(seconds) {
  if (seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 0.001) return `${count(seconds * 1e6)} µs`;
  if (seconds < 1) return `${count(seconds * 1000)} ms`;
  if (seconds < 120) return `${count(seconds)} s`;
  if (seconds < 7200) return `${count(Math.floor(seconds / 60))} min`;
  return seconds < 172800 ? `${count(Math.floor(seconds / 3600))} h` :
    `${count(Math.floor(seconds / 86400))} d`;
}

export const moment = (time) => new Date(time).toLocaleString(undefined,
  { dateStyle: "medium", timeStyle: "medium" });

export const clock = (time) => new Date(time).toLocaleTimeString();
