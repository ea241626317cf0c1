// One user: the document and its effective values, an editor, conflicts, and the history.

import { outset } from "../client.js";
import { confirmed, el, moment, problem, row, table } from "./elements.js";
import { differences, at, isObject, leaves, merge, parse, put, spelt } from "./json.js";
import { send, token, user } from "./requests.js";

const most = 100; // versions in one answer
const pause = 2000; // milliseconds between attempts to read
const never = '"0"'; // the entity tag where nothing was ever saved
const drafts = new Map(); // by user, of those who were left while they were edited

export async function showUser(main, { identity, may, signal }, id) {
  const own = identity.kind === "user";
  const view = new User(id, {
    signal, write: own || may("settings:write"), erase: own || may("users:erase"), own,
  });
  main.append(own ? "" : el("p", {}, el("a", { href: "#users" }, "All users")),
    el("h1", {}, own ? "Settings" : "Settings of ", own ? "" : el("span", { class: "id" }, id)),
    view.unknown, view.notice, view.effective, view.editor(), view.conflict, view.history, view.removal());
  view.resume();
  await view.load();
  view.follow();
}

class User {
  unknown = el("p", { class: "hint", hidden: true });
  notice = el("div", { role: "status" });
  effective = el("section");
  conflict = el("section", { class: "conflict", hidden: true });
  history = el("section");
  versions = 20;

  constructor(id, rights) {
    Object.assign(this, { id, ...rights, path: user(id) });
  }

  get edited() { return this.base !== undefined && this.text.value !== this.base; }

  // resume goes on with what was being edited when the user was left, and keeps it once more then.
  resume() {
    const draft = drafts.get(this.id);
    if (draft) {
      [this.base, this.etag, this.text.value] = [draft.base, draft.etag, draft.text];
      this.notice.replaceChildren(el("p", {}, "What you were editing isn't saved yet."));
      this.check();
    }
    this.signal.addEventListener("abort", () => {
      if (this.edited) drafts.set(this.id, { base: this.base, etag: this.etag, text: this.text.value });
      else drafts.delete(this.id);
    }, { once: true });
    addEventListener("beforeunload", (event) => {
      if (this.edited) event.preventDefault(); // the browser asks
    }, { signal: this.signal });
  }

  request(method, path, options = {}) {
    return send(method, `${this.path}${path}`, { ...options, signal: this.signal });
  }

  // load reads everything. The text that is being edited stays if it was changed.
  async load() {
    const answer = await this.request("GET", "/settings");
    this.see(answer);
    if (!this.edited) { // now, and not when it was asked for
      this.base = answer.text;
      this.etag = answer.etag;
      this.text.value = answer.text;
      this.check();
    }
    await this.showAround(answer.text);
  }

  showAround(text) {
    return Promise.all([this.showEffective(text), this.showHistory()]);
  }

  // see notes the version that there is, which may be a later one than what is edited was made from.
  see({ etag }) {
    this.seen = etag;
    this.unknown.hidden = etag !== never;
    this.removing.hidden = etag === never;
    this.unknown.textContent = this.own ? "You have not saved anything yet." :
      "Nothing was ever saved for this user. If there should be something, the id may be misspelt.";
  }

  async reload() {
    try {
      await this.load();
    } catch (error) {
      if (!this.signal.aborted) this.notice.replaceChildren(problem(error));
    }
  }

  // follow reads the document again when somebody else has changed it.
  follow() {
    const settings = outset({ user: this.id, token: token.get() || undefined, keep: false });
    this.signal.addEventListener("abort", () => settings.close(), { once: true });
    (async () => {
      for await (const _ of settings.watch("", { signal: this.signal })) {
        while (!await this.look()) await new Promise((again) => { setTimeout(again, pause); });
      }
    })();
  }

  // look reads the document, and shows it or tells of it if it is another one. It returns false if
  // it is to be called again.
  async look() {
    try {
      const now = await this.request("GET", "/settings");
      if (this.away) this.notice.replaceChildren();
      this.away = false;
      this.see(now);
      if (now.etag === this.etag) return true;
      if (this.edited) {
        this.tellOfChange(now);
        await this.showAround(now.text);
      } else {
        await this.load();
      }
      return true;
    } catch (error) {
      if (this.signal.aborted) return true;
      this.away = true;
      this.notice.replaceChildren(problem(error));
      return false;
    }
  }

  tellOfChange(now) {
    const theirs = parse(now.text);
    this.notice.replaceChildren(el("div", { class: "attention" },
      el("p", {}, "Somebody else has changed this user's settings while you edit:"),
      changes(parse(this.base), theirs),
      el("p", {}, "Saving shows what both of you have changed.")));
  }

  // showEffective shows what applies to the user, and where each value is from.
  async showEffective(text) {
    const document = parse(text);
    const all = parse((await this.request("GET", "/settings?effective=true")).text);
    const columns = ["Value of", "is", "from"];
    this.effective.replaceChildren(el("h2", {}, "What applies"),
      table("Each setting and where it comes from", columns, leaves(all).map(({ path, value }) =>
        row(columns, [el("code", {}, nameOf(path)), el("code", {}, spelt(value)),
          at(document, path) === undefined ? "the schema's default" : "the user"])),
      "This user has no settings, and the schema has no defaults."));
  }

  // editor is a form with the document as text, which is saved as it is spelt.
  editor() {
    this.text = el("textarea", { id: "document", rows: 14, spellcheck: "false",
      readonly: !this.write, "aria-describedby": "valid", oninput: () => {
        this.forgetConflict(); // it was about another text
        this.check();
      } });
    this.valid = el("p", { id: "valid", role: "status" });
    this.saving = el("button", { disabled: true }, "Save");
    this.formatting = el("button", { type: "button", onclick: () => {
      this.text.value = JSON.stringify(parse(this.text.value), null, 2);
      this.check();
    } }, "Format");
    this.undoing = el("button", { type: "button", disabled: true, onclick: () => {
      this.text.value = this.base;
      this.forgetConflict();
      this.notice.replaceChildren();
      this.check();
      this.reload();
    } }, "Undo");
    return el("section", {}, el("h2", {}, "Document"), el("form", { onsubmit: (event) => {
      event.preventDefault();
      this.save(this.text.value);
    } }, el("label", { for: "document", class: "hidden" }, "The document"), this.text, this.valid,
    this.write && [this.saving, " ", this.formatting, " ", this.undoing]));
  }

  // check tells whether the text is a document, while it is typed.
  check() {
    const bytes = new TextEncoder().encode(this.text.value).length;
    let wrong = "";
    try {
      if (!isObject(parse(this.text.value))) wrong = "A document is an object: { … }.";
    } catch (error) {
      wrong = `This is not JSON: ${error.message}`;
    }
    this.key = undefined; // another text is another request
    this.text.setAttribute("aria-invalid", wrong !== "");
    this.valid.className = wrong ? "bad" : "hint";
    this.valid.textContent = wrong || `${bytes.toLocaleString("en")} bytes`;
    this.formatting.disabled = wrong !== "";
    this.undoing.disabled = this.text.value === this.base;
    this.saving.disabled = wrong !== "" || this.text.value === this.base;
    clearTimeout(this.trial);
    if (!wrong && this.write && this.text.value !== this.base) {
      this.trial = setTimeout(() => this.tryOut(this.text.value), 300);
    }
  }

  // tryOut asks whether the text would be accepted, without saving it.
  async tryOut(text) {
    try {
      await this.request("PUT", "/settings?dry_run=true", { body: text });
      if (text === this.text.value) this.valid.textContent += ", and would be accepted";
    } catch (error) {
      if (this.signal.aborted || text !== this.text.value) return;
      this.valid.className = "bad";
      this.valid.replaceChildren(problem(error));
    }
  }

  // save saves a text in the place of the version that was read. A repetition has the same key, so
  // it is saved once however often that has to be tried. Nothing can be typed meanwhile.
  async save(text, etag = this.etag) {
    this.saving.disabled = true;
    this.text.readOnly = true;
    if (this.saved !== text) this.key = undefined;
    this.saved = text;
    this.key ??= crypto.randomUUID();
    try {
      const answer = await this.request("PUT", "/settings", {
        body: text, headers: { "If-Match": etag, "Idempotency-Key": `"${this.key}"` },
      }).finally(() => { this.text.readOnly = !this.write; });
      this.base = text;
      this.etag = answer.etag;
      this.text.value = text;
      this.forgetConflict();
      this.notice.replaceChildren(el("p", { class: "good" }, "Saved."));
      this.check();
      await this.reload();
    } catch (error) {
      if (this.signal.aborted) return;
      this.saving.disabled = false;
      if (error.status === 412) this.solve(text, error);
      else this.notice.replaceChildren(problem(error));
    }
  }

  // solve shows what both have changed, side by side, and saves what is chosen.
  solve(text, { settings, etag, version }) {
    this.key = undefined;
    const mine = parse(text);
    const theirs = settings ?? {};
    const { merged, conflicts } = merge(parse(this.base), mine, theirs);
    const columns = ["Value of", "was", "yours", "theirs"];
    const chosen = conflicts.map(() => "mine");
    const option = (i, who, name) => el("label", {}, el("input", {
      type: "radio", name: `choice${i}`, checked: who === "mine", onchange() { chosen[i] = who; },
    }), " ", el("code", {}, name));
    this.notice.replaceChildren();
    this.conflict.hidden = false;
    this.saving.hidden = true; // it would save over what is to be decided
    this.conflict.replaceChildren(el("h2", { tabindex: -1 }, "Somebody else has saved meanwhile"),
      el("p", {}, conflicts.length > 0 ?
        "Choose where both of you changed the same value. All other changes are kept." :
        `Version ${version} has other values than yours were made from, but no value was changed ` +
        "by both of you. Both changes are kept."),
      conflicts.length === 0 ? "" : table("Values that both have changed", columns, conflicts.map((c, i) =>
        row(columns, [el("code", {}, nameOf(c.path)), el("code", {}, spelt(c.base)),
          option(i, "mine", spelt(c.mine)), option(i, "theirs", spelt(c.theirs))])), ""),
      el("button", { onclick: () => {
        const whole = conflicts.reduce((m, c, i) => (chosen[i] === "theirs" ? m :
          c.path.length > 0 ? put(m, c.path, c.mine) : c.mine), merged);
        this.base = JSON.stringify(theirs, null, 2);
        this.etag = etag;
        this.text.value = JSON.stringify(whole, null, 2);
        this.save(this.text.value, etag);
      } }, "Save both changes"));
    this.conflict.querySelector("h2").focus();
  }

  forgetConflict() {
    this.conflict.hidden = true;
    this.saving.hidden = false;
  }

  async showHistory() {
    const columns = ["Version", ["Saved", "time"], "By", "How", ["Bytes", "number"], ""];
    const answer = (await this.request("GET", `/history?limit=${this.versions}`)).json;
    const [latest] = answer.versions;
    const shown = el("div", { role: "status" });
    this.history.replaceChildren(el("h2", {}, "History"), table("Versions, the latest first", columns,
      answer.versions.map((v) => row(columns, [String(v.version), moment(v.time),
        v.by ? `${v.by.kind} ${v.by.subject ?? ""}` : "–",
        v.operation + (v.restored ? ` of ${v.restored}` : ""),
        v.size > 0 ? v.size.toLocaleString("en") : "none", [
          !v.dropped && v.size > 0 && el("button", {
            onclick: () => this.compare(v.version, shown), "aria-label": `Show version ${v.version}`,
          }, "Show"), " ",
          this.write && !v.dropped && v.size > 0 && v.version !== latest.version && el("button", {
            onclick: () => this.restore(v), "aria-label": `Restore version ${v.version}`,
          }, "Restore"),
          v.dropped && "not kept any more",
        ]])), "Nothing was ever saved."),
    el("button", { hidden: !answer.next || this.versions >= most, onclick: () => {
      this.versions = Math.min(this.versions + 20, most);
      this.reload();
    } }, "More"), shown);
  }

  // compare shows a version, and how what there is now differs from it.
  async compare(version, box) {
    try {
      const old = (await this.request("GET", `/history/${version}`)).text;
      const now = (await this.request("GET", "/settings")).text;
      box.replaceChildren(el("h3", {}, `Version ${version}, and what has changed since`),
        changes(parse(old), parse(now), "then", "now"), el("pre", { tabindex: 0 }, old));
      box.scrollIntoView({ block: "nearest" });
    } catch (error) {
      if (!this.signal.aborted) box.replaceChildren(problem(error));
    }
  }

  async restore({ version }) {
    await this.replace(`Make version ${version} current again?`, "Restore",
      "POST", `/history/${version}/restore`, `Version ${version} is current again.`);
  }

  // removal offers what can't be taken back.
  removal() {
    this.removing = el("section", {}, (this.write || this.erase) && el("h2", {}, "Remove"),
      this.write && [el("button", { onclick: () => this.replace(
        "Delete the document? The history keeps it.", "Delete",
        "DELETE", "/settings", "The document is deleted.") }, "Delete the document"), " "],
      this.erase && el("button", { onclick: () => this.replace(
        "Erase this user, with all history, for good?", "Erase",
        "DELETE", "", "The user is erased.") }, "Erase the user"));
    return this.removing;
  }

  // replace does what puts something else in the place of the version that is shown, if that is
  // confirmed and nobody has saved another one meanwhile.
  async replace(question, action, method, path, done) {
    const etag = this.seen; // now, as another may come while it is asked
    const lost = this.edited ? " What you were editing isn't saved and will be lost." : "";
    if (!await confirmed(question + lost, action, this.signal)) return;
    try {
      await this.request(method, path, {
        headers: { "If-Match": etag, "Idempotency-Key": `"${crypto.randomUUID()}"` },
      });
      this.text.value = this.base;
      this.forgetConflict();
      await this.load();
      this.notice.replaceChildren(el("p", { class: "good" }, done));
    } catch (error) {
      if (this.signal.aborted) return;
      if (error.status !== 412) {
        this.notice.replaceChildren(problem(error));
        return;
      }
      this.notice.replaceChildren();
      await this.look();
      this.notice.prepend(el("p", { class: "bad", role: "alert" }, "Nothing was done, as somebody else " +
        "has changed the settings meanwhile. Look at them and try again."));
    }
  }
}

const nameOf = (path) => path.join("/") || "the document";

// changes is a table of how two documents differ.
function changes(a, b, before = "was", after = "is") {
  const columns = ["Value of", before, after];
  return table("Differences", columns, differences(a, b).map((d) => row(columns, [
    el("code", {}, nameOf(d.path)), el("code", {}, spelt(d.a)),
    el("code", {}, spelt(d.b))])), "They are the same.");
}
