// The schema: read it, and try a new one on all documents before it is put in force.

import { confirmed, el, problem, row, table } from "./elements.js";
import { send } from "./requests.js";

export async function showSchema(main, { may, signal }) {
  const write = may("schema:write");
  const result = el("div", { role: "status" });
  const text = el("textarea", { id: "schema", rows: 18, spellcheck: "false", readonly: !write,
    "aria-describedby": "valid", oninput: check });
  const valid = el("p", { id: "valid", role: "status" });
  const trying = el("button", { type: "button", onclick: () => act(tryOut) }, "Try it");
  const setting = el("button", { type: "button", disabled: true, onclick: () => act(set) },
    "Put in force");
  const removing = el("button", { type: "button", onclick: () => act(remove) }, "Remove");
  main.append(el("h1", {}, "Schema"),
    el("p", { class: "hint" }, "A JSON Schema that every document must satisfy when it is written."),
    el("label", { for: "schema", class: "hidden" }, "The schema"), text, valid,
    write && el("p", {}, may("users:list") && [trying, " "], setting, " ", removing), result);
  let etag = '"0"', current = "";
  await load();

  async function load() {
    try {
      const answer = await send("GET", "schema", { signal });
      etag = answer.etag;
      current = answer.text;
    } catch (error) {
      if (error.status !== 404) throw error;
      etag = '"0"';
      current = "";
    }
    text.value = current;
    removing.hidden = current === "";
    check();
  }

  // check is called for each text. It has to be tried before it can be put in force, by those who
  // may.
  function check() {
    let wrong = "";
    try {
      if (text.value.trim() !== "") JSON.parse(text.value);
    } catch (error) {
      wrong = `This is not JSON: ${error.message}`;
    }
    valid.className = wrong ? "bad" : "hint";
    valid.textContent = wrong || (current === "" ? "There is no schema: every document is accepted." :
      text.value === current ? "This schema is in force." : "This is not in force.");
    text.setAttribute("aria-invalid", wrong !== "");
    const changed = text.value.trim() !== "" && text.value !== current && !wrong;
    trying.disabled = !changed;
    setting.disabled = !changed || may("users:list");
  }

  async function act(what) {
    try {
      await what();
    } catch (error) {
      if (signal.aborted) return;
      result.replaceChildren(error.status === 412 ?
        el("p", { class: "bad", role: "alert" }, "Somebody else has changed the schema meanwhile. ",
          el("button", { onclick: () => act(load) }, "Read it again")) : problem(error));
    }
  }

  async function tryOut() {
    const tried = text.value;
    result.replaceChildren(el("p", {}, "Checking all documents …"));
    const { checked, broken, examples } = (await send("PUT", "schema?dry_run=true",
      { body: tried, signal })).json;
    const columns = ["User", "Where", "Why"];
    result.replaceChildren(
      el("p", { class: broken > 0 ? "attention" : "good" }, broken > 0 ?
        `${broken.toLocaleString("en")} of ${checked.toLocaleString("en")} documents would break it. ` +
        "They stay as they are until they are written again." :
        `All ${checked.toLocaleString("en")} documents satisfy it.`),
      broken === 0 ? "" : table("Examples", columns, examples.flatMap((e) => e.violations.map((v) =>
        row(columns, [el("a", { href: `#users/${encodeURIComponent(e.user)}` }, e.user),
          el("code", {}, v.pointer || "the document"), v.reason]))), ""));
    setting.disabled = text.value !== tried;
  }

  async function set() {
    await send("PUT", "schema", { body: text.value, signal,
      headers: { "If-Match": etag, "Idempotency-Key": `"${crypto.randomUUID()}"` } });
    await load();
    result.replaceChildren(el("p", { class: "good" }, "It is in force."));
  }

  async function remove() {
    if (!await confirmed("Remove the schema? Every document is accepted then.", "Remove", signal)) return;
    await send("DELETE", "schema", { signal, headers: { "If-Match": etag } });
    await load();
    result.replaceChildren(el("p", { class: "good" }, "There is no schema any more."));
  }
}
