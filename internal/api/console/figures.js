// What the figures of the pool come to. The API tells sums that grow since each program started;
// what happened is the difference of two readings.

const kept = 10 * 60; // seconds of history
const queues = ["read", "write"];

// since returns how much a figure has grown. A program that was started anew counts from zero.
const since = (now, before, name) => Math.max((now?.[name] ?? 0) - (before?.[name] ?? 0), 0);

// between returns what happened in a queue between two readings that are so many seconds apart.
export function between(now, before, seconds) {
  const operations = since(now, before, "operations");
  const grown = (name) => since(now, before, name);
  return {
    operations,
    rate: operations / seconds,
    batches: grown("batches"),
    batch: grown("batches") > 0 ? operations / grown("batches") : NaN,
    waited: operations > 0 ? grown("waitedSeconds") / operations : NaN,
    carried: operations > 0 ? grown("carriedSeconds") / operations : NaN,
    busy: now?.lanes > 0 ? Math.min(grown("busySeconds") / seconds / now.lanes, 1) : NaN,
    refused: grown("refused"),
    errors: grown("errors"),
    waiting: now?.waiting ?? 0,
    oldest: now?.oldestSeconds ?? 0,
  };
}

// together adds up what happened in several queues or workers.
export function together(all) {
  const sum = (name) => all.reduce((s, f) => s + (f[name] || 0), 0);
  const mean = (name) => {
    const known = all.filter((f) => !Number.isNaN(f[name]));
    const operations = known.reduce((s, f) => s + f.operations, 0);
    return operations > 0 ? known.reduce((s, f) => s + f[name] * f.operations, 0) / operations : NaN;
  };
  const batches = sum("batches");
  const busy = all.filter((f) => !Number.isNaN(f.busy));
  return {
    operations: sum("operations"), rate: sum("rate"), waiting: sum("waiting"), batches,
    refused: sum("refused"), errors: sum("errors"),
    oldest: Math.max(0, ...all.map((f) => f.oldest)),
    batch: batches > 0 ? sum("operations") / batches : NaN,
    waited: mean("waited"), carried: mean("carried"),
    busy: busy.length > 0 ? busy.reduce((s, f) => s + f.busy, 0) / busy.length : NaN,
  };
}

// History keeps the readings of the last ten minutes. All APIs tell the same of the workers, but each
// counts its own requests.
export class History {
  readings = [];
  workers = new Map(); // by id: { first, last, worker, gone }

  // add takes a reading of GET /pool.
  add(reading, now = performance.now() / 1000) {
    const same = this.readings.findLast((r) => r.reading.api.id === reading.api.id);
    const api = same && { before: same.reading.api, seconds: now - same.at };
    this.readings.push({ at: now, reading, api });
    this.readings = this.readings.filter((r) => r.at >= now - kept);
    const here = new Set(reading.workers.map((w) => w.id));
    for (const worker of reading.workers) {
      const known = this.workers.get(worker.id) ?? { first: now };
      this.workers.set(worker.id, { ...known, last: now, worker, gone: undefined });
    }
    for (const [id, w] of this.workers) {
      if (!here.has(id)) w.gone ??= Date.now();
      if (w.last < now - kept) this.workers.delete(id);
    }
  }

  // pairs are the readings with those before them, and as api with what the same API told before.
  get pairs() {
    return this.readings.slice(1).map((now, i) => {
      const before = this.readings[i];
      return { now: now.reading, before: before.reading, seconds: now.at - before.at, api: now.api };
    });
  }

  get latest() { return this.readings.at(-1)?.reading; }

  // worker returns what a worker did between two readings. Of one that is in one of them only, since
  // it was slow to answer perhaps, that isn't known.
  worker(id, { now, before, seconds }) {
    const of = (reading) => reading.workers.find((w) => w.id === id);
    if (!of(now) || !of(before)) return undefined;
    const all = queues.map((q) => between(of(now).queues[q], of(before).queues[q], seconds));
    return together(all);
  }

  // of returns the pairs of the last seconds. There are none after a pause, in which nothing was read.
  of(seconds) {
    let left = seconds + 1; // a reading takes its time
    const after = this.pairs.reverse().findIndex((p) => (left -= p.seconds) < 0);
    return after < 0 ? this.pairs : this.pairs.slice(this.pairs.length - after);
  }

  // lately returns what a worker did in several pairs, and what it has waiting now.
  lately(id, pairs) {
    const all = pairs.map((p) => ({ seconds: p.seconds, figures: this.worker(id, p) })).filter((p) => p.figures);
    const { waiting, oldest } = together(queues.map((q) =>
      between(this.latest.workers.find((w) => w.id === id)?.queues[q], {}, 1)));
    const sum = together(all.map((p) => p.figures));
    return { ...sum, rate: sum.operations / all.reduce((s, p) => s + p.seconds, 0), waiting, oldest };
  }

  // errors is how many operations of a worker have failed in the time that is kept.
  errors(id) {
    return this.pairs.reduce((sum, pair) => sum + (this.worker(id, pair)?.errors ?? 0), 0);
  }

  // stations tells how long an operation of a queue spent where, in seconds, of late. What is on
  // the way is what the API waited for beyond the time that it spent in the worker.
  stations(queue, pairs) {
    const api = together(pairs.filter((p) => p.api).map((p) =>
      between(p.now.api.queues[queue], p.api.before.queues[queue], p.api.seconds)));
    const worker = together(pairs.flatMap((p) => p.now.workers.flatMap((w) => {
      const before = p.before.workers.find((b) => b.id === w.id);
      return before ? between(w.queues[queue], before.queues[queue], p.seconds) : [];
    })));
    return [
      { name: "in the API's queue", seconds: api.waited },
      { name: "on the way through NATS", seconds:
        Math.max(api.carried - (worker.waited || 0) - (worker.carried || 0), 0) },
      { name: "in the worker's queue", seconds: worker.waited },
      { name: "in Postgres", seconds: worker.carried },
    ].map((s) => ({ ...s, seconds: Number.isNaN(s.seconds) ? 0 : s.seconds }));
  }

  // problems tells how many requests failed, by kind, in the time that is kept.
  get problems() {
    const counts = new Map();
    for (const { reading: { api: { problems } }, api } of this.readings) {
      if (!api) continue; // what it has counted before isn't of this time
      for (const kind of Object.keys(problems)) {
        counts.set(kind, (counts.get(kind) ?? 0) + since(problems, api.before.problems, kind));
      }
    }
    return [...counts].map(([kind, n]) => ({ kind, count: n }))
      .filter((p) => p.count > 0).sort((a, b) => b.count - a.count);
  }
}
