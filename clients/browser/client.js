// Outset in a browser: a user's settings, there at once, live, and changed with or without a
// connection. client.d.ts has the types and the documentation, README.md how it works.
//
// What the page sees is the base, which is the document as the server last gave it, with the queue
// of local changes applied. One tab of a browser leads: it alone sends the queue and has the stream
// of changes. The others get base and queue from it. Nothing here looks at the clock: order comes
// from the server's versions and the queue's sequence.

const timeout = 30_000; // ms that a request may take, with the page's function that returns its token
const decision = 300_000; // ms that the page may take to decide about all conflicts of a document
const opening = 15_000; // ms until a stream of changes has its first byte
const firstPause = 500, longestPause = 30_000; // ms between attempts, doubled from one to the next
const longestWait = 3_600_000; // ms that the service may ask for; of 2³¹ a timer would make 0
const mostPending = 1_000; // changes that wait, or of those that were made the keys remembered
const longestPending = 1_000_000; // characters that these changes have together, as JSON
const longPatch = 16_384; // characters of a JSON patch, which may be several times its values

// ---- JSON values. A path is an array of keys; an array is one value and has no paths into it.

const isObject = (v) => typeof v === "object" && v !== null && !Array.isArray(v);
const child = (v, key) => (isObject(v) && Object.hasOwn(v, key) ? v[key] : undefined);
const at = (v, path) => path.reduce((inner, key) => child(inner, key), v);
const plain = (v) => (v === undefined ? v : JSON.parse(JSON.stringify(v)));
const begins = (path, prefix) => prefix.every((key, i) => path[i] === key);

function equal(a, b) {
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((v, i) => equal(v, b[i]));
  if (!isObject(a) || !isObject(b)) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((k) => Object.hasOwn(b, k) && equal(a[k], b[k]));
}

// An edit is {path, value}: the value is to be there. {path} alone: nothing is to be there. An
// object is only ever {}, and says that there is to be one, whatever is in it. So two edits conflict
// only if they are about the same value, and an edit can be applied to any document.

// put returns v after an edit. It changes v itself only where that is one of own, which are the
// copies that were made for the same purpose before.
function put(v, path, edit, own = new Set()) {
  const removes = !("value" in edit);
  if (path.length === 0) return isObject(edit.value) && isObject(v) ? v : edit.value;
  const [key, ...rest] = path;
  const inner = child(v, key);
  if (removes && inner === undefined) return v;
  const copy = own.has(v) ? v : { ...(isObject(v) ? v : {}) };
  own.add(copy);
  if (removes && rest.length === 0) delete copy[key];
  // This defines a member whatever its name; copy[key] = … with __proto__ doesn't.
  else Object.defineProperty(copy, key, { ...member, value: put(inner, rest, edit, own) });
  return copy;
}

const member = { configurable: true, enumerable: true, writable: true };

function apply(changes, document) {
  const own = new Set();
  return changes.reduce((d, c) => c.edits.reduce((v, e) => put(v, e.path, e, own), d), document);
}

// inside are the edits of an object's members, and one for the object itself if none makes it.
const inside = (path, edits) => (edits.some((e) => "value" in e) ? edits : [{ path, value: {} }, ...edits]);

// editsTo are those that make a value of what is shown. Members that are equal are left out, so that
// what somebody else makes of them meanwhile is kept.
function editsTo(path, shown, value) {
  if (value === undefined) return [{ path }];
  if (!isObject(value)) return [{ path, value }];
  const gone = Object.keys(isObject(shown) ? shown : {}).filter((k) => !Object.hasOwn(value, k));
  return inside(path, [
    ...gone.map((k) => ({ path: [...path, k] })),
    ...Object.entries(value).filter(([k, v]) => !equal(v, child(shown, k)))
      .flatMap(([k, v]) => editsTo([...path, k], child(shown, k), v)),
  ]);
}

// editsOf are those of a merge patch (RFC 7396).
function editsOf(patch, path = []) {
  if (patch === null) return [{ path }];
  if (!isObject(patch)) return [{ path, value: patch }];
  return inside(path, Object.entries(patch).flatMap(([k, v]) => editsOf(v, [...path, k])));
}

// supersedes tells whether a change makes an earlier one void: what that does it undoes, whatever
// comes in between. A removal voids removals only, as a value also makes the objects on its path. An
// object voids only the same edit, as it leaves what is in it.
const supersedes = (later, earlier) => earlier.edits.every((e) => later.edits.some((l) =>
  begins(e.path, l.path) && (!("value" in l) ? !("value" in e) :
    !isObject(l.value) || (isObject(e.value) && e.path.length === l.path.length))));

// leftBeside are the changes of a queue that a later one doesn't make void. One that was sent stays:
// it may have been applied.
const leftBeside = (later, queue) => queue.filter((c) => c.tried || !supersedes(later, c));

// diff are the differences of two documents: {path, value}, or {path} where the value is gone.
function diff(from, to, path = []) {
  if (equal(from, to)) return [];
  if (!isObject(from) || !isObject(to)) return [to === undefined ? { path } : { path, value: to }];
  return [...new Set([...Object.keys(from), ...Object.keys(to)])]
    .flatMap((k) => diff(child(from, k), child(to, k), [...path, k]));
}

// patchOf is the JSON patch (RFC 6902) of differences. Unlike a merge patch it can set null.
const patchOf = (differences) => differences.map(({ path, ...value }) => ({
  op: "value" in value ? "add" : "remove",
  path: path.map((k) => `/${k.replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""),
  ...value,
}));

// bodyOf returns the type and the text of a patch. Where the JSON patch would be long, it is a merge
// patch, if that can say the same.
function bodyOf(differences) {
  const hasNull = (v) => v === null || (isObject(v) && Object.values(v).some(hasNull));
  const patch = JSON.stringify(patchOf(differences));
  if (patch.length < longPatch || differences.some(({ value }) => hasNull(value))) {
    return ["application/json-patch+json", patch];
  }
  return ["application/merge-patch+json", JSON.stringify(
    differences.reduce((merge, { path, value = null }) => put(merge, path, { value }), {}))];
}

function pathOf(path = []) {
  const keys = Array.isArray(path) ? path.map(String) : path.split("/");
  return keys.length === 1 && keys[0] === "" ? [] : keys;
}

// ---- HTTP

/** The error of a request that the service, or something on the way, has refused. */
export class OutsetError extends Error {
  constructor(response, problem) {
    super(problem.detail || problem.title || `HTTP status ${response.status}`);
    this.name = "OutsetError";
    this.status = response.status;
    this.kind = problem.kind ?? "";
    this.violations = problem.violations ?? [];
    this.retryAfter = Number(response.headers.get("Retry-After")) || 0; // s
  }
}

// Of an error a message to another tab has only the fields.
const fieldsOf = (error) => error && {
  ...(error instanceof OutsetError && error), name: error.name, message: String(error.message ?? error),
};
const errorOf = (fields) => fields && Object.assign(fields.name === "OutsetError" ?
  new OutsetError({ headers: new Headers() }, {}) : new Error(), fields);

const failureOf = async (response) => new OutsetError(response, await response.json().catch(() => ({})));

// tagOf is the entity tag of an answer, without quotes and what a compression has added. An answer
// without one is not the service's, but perhaps the login page of a gateway.
function tagOf(response) {
  const tag = /^(?:W\/)?"(\d+(?:-[0-9a-z]+?)?)(?:-(?:gzip|br|zstd))?"$/.exec(response.headers.get("ETag"));
  if (!tag) throw new OutsetError(response, { title: "The answer is not the service's" });
  return tag[1];
}

const versionOf = (tag) => parseInt(tag, 10);

// refuses tells whether an answer is the last word on a change. Other failures, such as a token that
// doesn't count, are about the moment, and the change waits.
const refuses = ({ status, kind }) => status === 413 || ((status === 400 || status === 422) && kind !== "");

// eventsIn reads the text of a stream of events, whose lines end with \n, and returns those that are
// complete and the rest.
function eventsIn(text) {
  const blocks = text.split("\n\n");
  const rest = blocks.pop();
  return [rest, blocks.map((block) => {
    const event = { data: "" };
    for (const line of block.split("\n")) {
      const [, name, value] = /^(\w*): ?(.*)$/s.exec(line) ?? [];
      if (name) event[name] = name === "data" ? event.data + value + "\n" : value;
    }
    return event;
  })];
}

// ---- IndexedDB

const answered = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

// openDatabase opens what is kept of one user's settings: the base, and the queue in its sequence.
function openDatabase(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("base");
    request.result.createObjectStore("queue", { keyPath: "seq", autoIncrement: true });
  };
  return answered(request);
}

// transact does work on both stores, and resolves once that is committed.
function transact(db, work) {
  return new Promise((resolve, reject) => {
    const t = db.transaction(["base", "queue"], "readwrite");
    const request = work(t.objectStore("base"), t.objectStore("queue"));
    t.oncomplete = () => resolve(request?.result);
    t.onabort = () => reject(t.error ?? request?.error ?? new Error("the transaction was aborted"));
  });
}

// ---- Waiting

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// within waits for a function of the page until a signal is aborted.
async function within(signal, name, call) {
  signal.throwIfAborted();
  let stop;
  const ended = new Promise((_, reject) => {
    stop = () => reject(signal.reason.name !== "TimeoutError" ? signal.reason :
      new Error(`The function ${name} took too long`));
    signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([call(), ended]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

const silence = new Error("The stream of changes is silent");

// A bell wakes all who wait for its next ring.
class Bell {
  #wake = () => {};
  constructor() { this.ring(); }
  ring() {
    this.#wake();
    this.next = new Promise((resolve) => { this.#wake = resolve; });
  }
}

const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

// ---- The settings

class Settings extends EventTarget {
  #options; #root; #name;
  #db; #channel; #loaded;
  #ready = false; // there is something to see
  #closed = false;
  #base = { document: {}, tag: "0" }; // of a user who never saved
  #known = false; // the base is from the server, by way of the database perhaps
  #queue = []; // changes {key, edits, seq, tried}, as the leader has them
  #mine = []; // those of this tab that the leader doesn't have yet
  #keeping = new Set(); // of these, those that are being written to the database
  #view = {}; // what the page sees
  #storageError; #error; #online = false; #lastState = "";
  #changed = new Bell(); // the view, or what is pending
  #period; // aborted when this tab is to stop leading, or waiting for that

  // Of the leader only:
  #leading = false;
  #fresh = false; // the base was current when it was last looked at, with this connection
  #news; // {document, tag} of an event that came meanwhile
  #settled = new Set(); // keys of the last changes that are done
  #stored; // the base that the database has
  #gone = new Set(); // places in the database's queue of changes that are still to be deleted there
  #work = new Bell(); // there is something to do
  #back = new Bell(); // the connection is back
  #silent; // aborted when the stream is dead, though nobody has said so

  constructor(options) {
    super();
    this.#options = options;
    const url = new URL(options.url ?? ".", options.url ? globalThis.location?.href : import.meta.url).href;
    this.#root = `${url.replace(/\/$/, "")}/user/${encodeURIComponent(options.user)}`;
    this.#name = `outset ${this.#root}`;
    this.#loaded = this.#load();
    this.#begin();
    for (const [target, type, listener] of this.#listeners) target?.addEventListener?.(type, listener);
  }

  // A page stands still that is frozen, or kept for the way back. It must not keep others from leading.
  #stop = () => this.#period.abort();
  #goOn = () => { if (this.#period.signal.aborted) this.#begin(); };
  #listeners = [
    [globalThis, "online", () => this.#back.ring()],
    [globalThis, "offline", () => this.#silent?.abort(new Error("There is no network"))], // it might seem alive for long
    [globalThis, "pagehide", (e) => { if (e.persisted) this.#stop(); }],
    [globalThis, "pageshow", (e) => { if (e.persisted) this.#goOn(); }],
    [globalThis.document, "freeze", this.#stop],
    [globalThis.document, "resume", this.#goOn],
  ];

  // -- What the page calls

  async get(path) {
    while (!this.#ready && !this.#closed) await this.#changed.next;
    return structuredClone(at(this.#view, pathOf(path)));
  }

  async set(path, value) {
    const keys = pathOf(path), wanted = plain(value);
    if (keys.length === 0 && !isObject(wanted)) throw new TypeError("the settings are an object");
    await this.#loaded;
    if (keys.some((_, i) => i > 0 && Array.isArray(at(this.#view, keys.slice(0, i))))) {
      throw new TypeError("an array is set as a whole");
    }
    await this.#add(editsTo(keys, at(this.#view, keys), wanted));
  }

  async patch(patch) {
    const wanted = plain(patch);
    if (!isObject(wanted)) throw new TypeError("a merge patch is an object");
    await this.#loaded;
    await this.#add(editsOf(wanted));
  }

  watch(path, { signal } = {}) {
    const keys = pathOf(path), wake = () => this.#changed.ring();
    let left = false;
    const values = async function* () {
      signal?.addEventListener("abort", wake);
      try {
        for (let last, first = true; !left && !this.#closed && !signal?.aborted;) {
          const changed = this.#changed.next, value = at(this.#view, keys);
          // Only this promise: a race with one that lasts would leave something behind each time.
          if (!this.#ready || (!first && equal(value, last))) await changed;
          else {
            first = false;
            yield structuredClone(last = value);
          }
        }
      } finally {
        signal?.removeEventListener("abort", wake);
      }
    }.call(this);
    const end = values.return.bind(values);
    values.return = (value) => {
      left = true;
      wake();
      return end(value);
    };
    return values;
  }

  get pending() { return this.#queue.length + this.#mine.length; }

  get state() {
    return {
      online: this.#online, pending: this.pending, error: this.#error,
      persistent: this.#db !== undefined && this.#storageError === undefined,
    };
  }

  async synced() {
    await this.#loaded;
    while (this.pending > 0) {
      this.#mustBeOpen();
      await this.#changed.next;
    }
  }

  close() {
    this.#closed = true;
    this.#period.abort();
    this.#changed.ring();
    this.#channel?.close();
    this.#db?.close();
    for (const [target, type, listener] of this.#listeners) target?.removeEventListener?.(type, listener);
  }

  async forget() {
    await this.#loaded;
    const db = this.#db;
    if (db) {
      this.#post({ forget: true });
      this.#period.abort();
      await this.#keep((base, queue) => { base.clear(); queue.clear(); });
    }
    this.close();
    if (!db) return;
    // Another tab may write what it was about to before it hears of this. The database goes once all
    // tabs have closed it; a tab that stands still isn't waited for.
    const request = indexedDB.deleteDatabase(this.#name);
    await Promise.race([answered(request), new Promise((resolve) => { request.onblocked = resolve; })]);
  }

  #mustBeOpen() {
    if (this.#closed) throw new Error("The settings are closed");
  }

  // -- What all tabs do

  // load shows what was there at the last visit. Where nothing can be kept, or tabs can't agree on a
  // leader, each tab is on its own.
  async #load() {
    try {
      if (this.#options.keep === false) return;
      if (!navigator.locks) throw new Error("Web Locks are missing: the page needs https or localhost");
      this.#db = await openDatabase(this.#name);
      this.#db.onversionchange = () => this.#db.close(); // somebody deletes it
      this.#db.onclose = () => { this.#db = undefined; this.#show(); };
      await this.#recall();
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }) => this.#receive(data);
    } catch (error) {
      this.#db = undefined;
      this.#storageError = error;
    } finally {
      this.#show();
      if (this.#closed) this.close(); // what it has opened meanwhile
    }
  }

  // recall reads base and queue.
  async #recall() {
    let base, queue;
    await transact(this.#db, (b, q) => { base = b.get(0); queue = q.getAll(); });
    if (base.result) [this.#base, this.#known] = [base.result, true];
    this.#stored = base.result && this.#base;
    this.#queue = queue.result;
  }

  async #keep(work) {
    try {
      const result = this.#db && await transact(this.#db, work);
      if (this.#db) this.#storageError = undefined;
      return result;
    } catch (error) {
      this.#storageError = error; // the storage is full, for instance: it goes on in memory
      return undefined;
    }
  }

  #begin() {
    this.#period = new AbortController();
    const { signal } = this.#period;
    this.#loaded.then(async () => {
      if (signal.aborted) return;
      this.#post({ who: true });
      // The lock is let go at once: a page that is about to stand still may not get to do more.
      const stopped = new Promise((resolve) => { signal.addEventListener("abort", resolve, { once: true }); });
      if (!this.#db) await this.#lead(signal);
      else await navigator.locks.request(this.#name, { signal }, () => Promise.race([this.#lead(signal), stopped]));
    }).catch(async (error) => {
      if (signal.aborted) return;
      this.#stop();
      this.#error = error; // the browser gives no lock, perhaps since the page stands still
      this.#show();
      await sleep(longestPause);
      if (!this.#closed && this.#period.signal === signal) this.#begin();
    });
  }

  async #add(edits) {
    this.#mustBeOpen();
    const change = { key: newKey(), edits, size: JSON.stringify(edits).length };
    const left = leftBeside(change, this.#mine), voided = new Set(this.#mine);
    for (const c of left) voided.delete(c);
    const waiting = [...leftBeside(change, this.#queue), ...left, change];
    const size = (c) => c.size ?? JSON.stringify(c.edits).length; // an earlier client kept none
    if (waiting.length > mostPending || waiting.reduce((sum, c) => sum + size(c), 0) > longestPending) {
      throw new DOMException("Too many changes wait for the service: this one is not made", "QuotaExceededError");
    }
    this.#mine.push(change);
    this.#keeping.add(change);
    this.#show(change);
    const seq = await this.#keep((_, queue) => {
      const added = queue.add(change);
      // By now the others have been written, and have their places.
      added.onsuccess = () => {
        for (const c of this.#mine) if (c.seq !== undefined && voided.has(c)) queue.delete(c.seq);
      };
      return added;
    });
    this.#keeping.delete(change);
    if (seq !== undefined) change.seq = seq;
    // What is in the database goes there too, or else it would come back.
    this.#mine = this.#mine.filter((c) => !voided.has(c) || (c.seq !== undefined && seq === undefined));
    if (this.#mine.includes(change)) { // else the leader has found it, or it is void
      if (this.#leading) this.#take(change);
      else this.#post({ change });
    }
    // Once for all that were made together: it is as much work as there are changes.
    if (this.#keeping.size === 0) this.#tell();
  }

  #waiting() { return this.#mine.filter((c) => !this.#keeping.has(c)); }

  // offer posts to the leader what it may not have. What was kept and isn't in the database now is
  // done, though this tab hasn't heard of it.
  async #offer() {
    if (this.#waiting().length === 0) return;
    const kept = await this.#keep((_, queue) => queue.getAllKeys());
    if (kept) this.#mine = this.#mine.filter((c) => c.seq === undefined || kept.includes(c.seq));
    for (const change of this.#waiting()) this.#post({ change });
    this.#show();
  }

  #post(message) {
    try { this.#channel?.postMessage(message); } catch { /* it is closed */ }
  }

  // receive takes a message of another tab: to the leader {who} and {change}, from it what tell sends,
  // {refused}, and {done}, the key of a change that it was sent again.
  #receive({ base, queue, known, online, error, hello, who, change, done, refused, forget }) {
    if (forget) {
      this.close();
      return;
    }
    if (refused) this.#dispatch("refused", refused);
    if (this.#leading) {
      if (change) this.#take(change);
      if (change || who) this.#tell(who);
      return;
    }
    if (done) {
      this.#mine = this.#mine.filter(({ key }) => key !== done);
      this.#show();
    }
    if (!queue) return;
    [this.#base, this.#queue, this.#known, this.#online] = [base, queue, known, online];
    this.#error = errorOf(error);
    this.#mine = this.#mine.filter((c) => !queue.some(({ key }) => key === c.key));
    if (hello) this.#offer();
    this.#show();
  }

  // show brings up to date what the page sees, or adds to it a change that comes after all others.
  #show(change) {
    this.#view = change ? apply([change], this.#view) :
      apply([...this.#queue, ...this.#mine], this.#base.document);
    this.#ready ||= this.#known || this.#error !== undefined;
    this.#changed.ring();
    const state = this.state, text = JSON.stringify({ ...state, error: String(state.error) });
    if (text === this.#lastState) return;
    this.#lastState = text;
    this.#dispatch("state", state);
  }

  #dispatch(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  // -- What the leader does

  async #lead(signal) {
    if (this.#db) {
      try {
        await this.#recall();
        // What was kept and isn't in the queue now has been sent, though this tab hasn't heard of it.
        this.#mine = this.#mine.filter((c) => c.seq === undefined);
      } catch (error) {
        this.#storageError = error;
      }
    }
    if (signal.aborted) return;
    this.#leading = true;
    signal.addEventListener("abort", () => { this.#leading = false; this.#work.ring(); this.#back.ring(); });
    for (const c of this.#waiting()) this.#take(c);
    this.#fresh = false;
    this.#tell(true);
    await Promise.all([this.#listen(signal), this.#sync(signal)]);
  }

  #take(change) {
    this.#mine = this.#mine.filter((c) => c !== change);
    // The database may have had a later change of a tab before this one's message came.
    if (this.#queue.some((c) => c.seq > change.seq && supersedes(c, change))) this.#done(change);
    if (this.#settled.has(change.key)) {
      this.#post({ done: change.key });
      return;
    }
    if (this.#queue.some((c) => c.key === change.key)) return;
    const left = new Set(leftBeside(change, this.#queue)), voided = this.#queue.filter((c) => !left.has(c));
    this.#queue = [...left, change];
    for (const c of voided) this.#done(c);
    if (voided.length > 0) this.#save();
    this.#work.ring();
  }

  // done notes that a change is not to be sent any more, here and in the database.
  #done(change) {
    this.#settled.add(change.key);
    if (this.#settled.size > mostPending) this.#settled.delete(this.#settled.values().next().value);
    if (change.seq !== undefined) this.#gone.add(change.seq);
  }

  // tell shows the other tabs, and the page, where things are.
  #tell(hello = false) {
    if (this.#leading) this.#post({
      base: this.#base, queue: this.#queue, known: this.#known, online: this.#online,
      error: fieldsOf(this.#error), hello,
    });
    this.#show();
  }

  // save keeps the base, forgets what is done, and keeps what has become of some changes, all or
  // nothing. Where that fails the database is behind, but what it has is right.
  async #save(...changes) {
    if (!this.#leading) return; // another tab may lead by now
    const current = this.#base, gone = this.#gone;
    this.#gone = new Set(); // transactions take place one after the other: later ones needn't repeat it
    const saved = await this.#keep((base, queue) => {
      for (const seq of gone) queue.delete(seq);
      for (const c of changes) if (c.seq !== undefined && this.#queue.includes(c)) queue.put(c);
      return current === this.#stored ? base.count() : base.put(current, 0);
    });
    if (saved !== undefined) this.#stored = current;
    else for (const seq of gone) this.#gone.add(seq);
  }

  // sync does one thing after the other until there is nothing to do.
  async #sync(signal) {
    for (let failures = 0; !signal.aborted;) {
      const work = this.#work.next;
      try {
        const worked = await this.#step(signal);
        [failures, this.#error] = [0, undefined];
        this.#tell();
        if (!worked) await work;
      } catch (error) {
        this.#fresh = false;
        if (!signal.aborted) await this.#pause(error, ++failures);
      }
    }
  }

  // step returns false if there is nothing to do. The first change comes before any news if its fate
  // is unknown: the base must be the one that it was sent on.
  async #step(signal) {
    const change = this.#queue[0], news = this.#news;
    if (change?.tried) return this.#send(change, signal);
    if (news) {
      this.#news = undefined;
      if (versionOf(news.tag) > versionOf(this.#base.tag)) await this.#adopt(signal, news);
      // It is from before our own last change; or the database was restored, and numbers went back.
      else if (news.tag !== this.#base.tag) this.#fresh = false;
      return true;
    }
    if (!this.#fresh) {
      const headers = this.#known ? { "If-None-Match": `"${this.#base.tag}"` } : {};
      const r = await this.#fetch("/settings", { headers }, signal);
      if (r.status === 304) this.#fresh = true;
      else if (!r.ok) throw await failureOf(r);
      else await this.#adopt(signal, { tag: tagOf(r), document: await r.json() });
      return true;
    }
    return change ? this.#send(change, signal) : false;
  }

  // send sends a change, on condition that nobody has written since the base. So what is sent again
  // is applied once, also when the service has forgotten the key, and whatever the clocks say.
  async #send(change, signal) {
    const wanted = apply([change], this.#base.document);
    const differences = diff(this.#base.document, wanted), again = change.tried;
    if (differences.length === 0) return this.#settle(change, this.#base); // it is so already
    change.tried = true;
    if (!again) await this.#save(change);
    const [type, body] = bodyOf(differences);
    const r = await this.#fetch("/settings", {
      method: "PATCH",
      headers: {
        "Content-Type": type, "Prefer": "return=minimal",
        "If-Match": `"${this.#base.tag}"`, "Idempotency-Key": `"${change.key}"`,
      },
      body,
    }, signal);
    if (r.ok) return this.#settle(change, { document: wanted, tag: tagOf(r) });
    const failure = await failureOf(r);
    if (r.status === 412 && failure.kind) return this.#missed(change, wanted, again, signal);
    if (!refuses(failure)) throw failure;
    // The key was used: for this very change, whose answer was lost.
    this.#fresh = false;
    await this.#settle(change, this.#base);
    if (failure.kind !== "idempotency-key-reused") {
      const { status, kind, message, violations } = failure;
      const refused = { edits: change.edits, status, kind, message, violations };
      this.#post({ refused });
      this.#dispatch("refused", refused);
    }
    return true;
  }

  async #settle(change, base) {
    if (!this.#queue.includes(change)) return true; // this tab has stopped leading, and leads again
    this.#queue = this.#queue.filter((c) => c !== change);
    this.#done(change);
    this.#base = base;
    await this.#save();
    return true;
  }

  // missed deals with a change that was sent on a base that is not current any more. If an earlier
  // attempt got no answer, it may be what has changed that: then it made the next version.
  async #missed(change, wanted, again, signal) {
    let doubtful = false;
    if (again) {
      const r = await this.#fetch(`/history/${versionOf(this.#base.tag) + 1}`, {}, signal);
      if (r.ok && equal(await r.json(), wanted)) {
        this.#fresh = false;
        return this.#settle(change, { document: wanted, tag: tagOf(r) });
      }
      if (!r.ok && r.status !== 404) throw await failureOf(r);
      doubtful = !r.ok; // that version isn't kept any more
    }
    const r = await this.#fetch("/settings", {}, signal);
    if (!r.ok) throw await failureOf(r);
    const current = { tag: tagOf(r), document: await r.json() };
    change.tried = false;
    await this.#adopt(signal, current, doubtful, change);
    return true;
  }

  // adopt makes what the server has the base. Where the queue is about values that somebody else has
  // changed, the page decides, or else the queue, which is later. Where it is unknown whether the
  // queue has been applied before them, they are later.
  async #adopt(signal, current, doubtful = false, ...changed) {
    this.#fresh = true;
    if (this.#known && current.tag === this.#base.tag) return;
    const decide = doubtful ? ({ theirs }) => theirs : this.#options.conflict;
    const queue = [...this.#queue]; // the page may make more changes while it decides
    if (decide && queue.length > 0) {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(decision)]);
      for (const c of this.#conflicts(current.document, queue)) {
        try {
          const value = await within(limited, "conflict", () => decide(structuredClone(c)));
          this.#override(c.path, plain(value), queue, current.document);
        } catch (error) {
          signal.throwIfAborted();
          globalThis.reportError?.(error); // of the page's own function: the queue decides
          if (limited.aborted) break;
        }
      }
      changed = queue;
    }
    [this.#base, this.#known] = [current, true];
    await this.#save(...changed);
  }

  #conflicts(document, queue) {
    const base = this.#base.document, view = apply(queue, base), theirs = diff(base, document);
    const found = new Map();
    for (const m of diff(base, view)) {
      for (const t of theirs) {
        const path = m.path.length < t.path.length ? m.path : t.path;
        if (!begins(m.path, path) || !begins(t.path, path)) continue;
        const conflict = { path, base: at(base, path), mine: at(view, path), theirs: at(document, path) };
        if (!equal(conflict.mine, conflict.theirs)) found.set(JSON.stringify(path), conflict);
      }
    }
    return found.values();
  }

  // override has each change that touches a path leave a value there.
  #override(path, value, queue, document) {
    for (const c of queue) {
      document = apply([c], document);
      if (!c.edits.some((e) => begins(e.path, path) || begins(path, e.path))) continue;
      if (equal(at(document, path), value)) continue;
      const edits = editsTo(path, at(document, path), value);
      c.edits = [...c.edits, ...edits];
      c.size = JSON.stringify(c.edits).length;
      document = apply([{ edits }], document);
    }
  }

  // listen has the stream of changes, again and again.
  async #listen(signal) {
    for (let failures = 0; !signal.aborted;) {
      let wait = 0, error;
      try {
        await this.#stream(signal, (retry) => { failures = 0; wait = retry ?? wait; });
      } catch (e) {
        error = e;
      }
      [this.#online, this.#fresh] = [false, false];
      // Perhaps a proxy holds streams back: then the document is asked for after each attempt.
      if (this.#silent.signal.reason === silence) this.#work.ring();
      if (!signal.aborted) await this.#pause(error, ++failures, wait);
    }
  }

  async #stream(signal, alive) {
    const silent = this.#silent = new AbortController();
    const limit = 3 * (this.#options.heartbeat ?? 15_000);
    const lost = () => silent.abort(silence);
    let timer = setTimeout(lost, opening);
    try {
      const headers = { Accept: "text/event-stream" };
      if (this.#known) headers["Last-Event-ID"] = this.#base.tag;
      const r = await this.#fetch("/events?include=settings", { headers }, AbortSignal.any([signal, silent.signal]), 0);
      if (!r.ok) throw await failureOf(r);
      const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(lost, limit);
        if (!this.#online) {
          this.#online = true;
          this.#back.ring();
          this.#work.ring();
        }
        let events;
        [text, events] = eventsIn(text + value);
        for (const e of events) {
          alive(e.retry && Number(e.retry));
          if (e.event === "changed") this.#hear(e);
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #hear({ id, data }) {
    const document = JSON.parse(data).settings;
    if (document === undefined) this.#fresh = false; // one of several: the last one has it
    else this.#news = { tag: id, document };
    this.#work.ring();
  }

  // pause waits before another attempt, unless the connection is back before. Half of the time is
  // random, so that clients that failed together don't come back together.
  async #pause(error, failures, wait = 0) {
    this.#error = error;
    this.#tell();
    const pause = Math.min(longestPause, firstPause * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
    const asked = Math.min(longestWait, Math.max(wait, (error?.retryAfter ?? 0) * 1000));
    await Promise.race([sleep(Math.max(pause, asked)), this.#back.next]);
    if ([401, 403, 404].includes(error?.status)) await this.#handOver();
  }

  // handOver has another tab lead, if there is one: its token may count where this one's doesn't.
  async #handOver() {
    const { signal } = this.#period;
    const others = this.#db && (await navigator.locks.query()).pending.some((l) => l.name === this.#name);
    if (!others || signal.aborted) return;
    this.#stop();
    this.#begin();
  }

  // fetch sends a request. A token that was refused is asked for once more.
  async #fetch(path, { headers, ...init }, signal, limit = timeout) {
    const { token, credentials } = this.#options;
    const limited = limit ? AbortSignal.any([signal, AbortSignal.timeout(limit)]) : signal;
    for (let refused = false; ; refused = true) {
      const bearer = typeof token === "function" ? await within(limited, "token", () => token({ refused })) : token;
      const r = await fetch(this.#root + path, {
        ...init, credentials, cache: "no-store",
        headers: bearer ? { ...headers, Authorization: `Bearer ${bearer}` } : headers,
        signal: limited,
      });
      if (r.status !== 401 || refused || typeof token !== "function") return r;
    }
  }
}

/** Returns the settings of a user, which client.d.ts describes. */
export const outset = (options) => new Settings(options);
