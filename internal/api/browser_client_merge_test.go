//go:build browser

package api_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// merging makes random changes in one tab, which doesn't lead in one round, and leads without a
// connection in the next. They are sent once they are all made. It returns
// where what the page sees, or the service has, isn't what the changes make one after the other.
const merging = `(async (base, seed) => {
	const {outset} = await import(base + "/client.js");
	const random = n => {
		seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
		return Math.floor(seed / 2 ** 32 * n);
	};
	const isObject = v => typeof v == "object" && v !== null;
	const sorted = v => isObject(v) ?
		Object.fromEntries(Object.keys(v).sort().map(k => [k, sorted(v[k])])) : v;
	const text = v => JSON.stringify(sorted(v));
	const keys = () => Array.from({length: random(4)}, () => "ab"[random(2)]);
	const object = (depth, leaf) => Object.fromEntries(Array.from({length: random(3)},
		() => ["ab"[random(2)], depth > 0 && random(2) ? object(depth - 1, leaf) : leaf()]));

	const set = (v, [key, ...rest], value) => {
		if (key === undefined) return value;
		if (value === undefined && !(isObject(v) && key in v)) return v;
		const {[key]: inner, ...others} = isObject(v) ? v : {};
		const made = set(inner, rest, value);
		return made === undefined ? others : {...others, [key]: made};
	};
	const patch = (v, p) => !isObject(p) ? p : Object.entries(p).reduce((to, [key, inner]) =>
		set(to, [key], inner === null ? undefined : patch(to[key], inner)), isObject(v) ? v : {});

	const connected = window.fetch;
	for (let round = 0; round < 12; round++) {
		const user = "merging" + round;
		let goOn;
		if (round % 2) {
			window.fetch = () => Promise.reject(new TypeError("there is no connection"));
			goOn = () => {
				window.fetch = connected;
				window.dispatchEvent(new Event("online"));
			};
		} else {
			await new Promise(held => navigator.locks.request("outset " + base + "/user/" + user, () => {
				held();
				return new Promise(r => { goOn = r; });
			}));
		}
		const settings = outset({url: base, user});
		let document = {};
		const done = [];
		for (let n = 0; n < 25; n++) {
			const path = keys(), kind = random(path.length ? 4 : 2);
			const leaf = () => random(3);
			const value = kind == 3 ? undefined : kind == 2 ? leaf() : object(2, leaf);
			if (kind == 0) {
				const p = object(2, () => random(2) ? null : leaf());
				done.push("patch " + JSON.stringify(p));
				document = patch(document, p);
				await settings.patch(p);
			} else {
				done.push("set " + path.join("/") + " " + JSON.stringify(value));
				document = set(document, path, value);
				await settings.set(path.join("/"), value);
			}
		}
		goOn();
		await settings.synced();
		const seen = text(await settings.get());
		const has = text(await (await fetch(base + "/user/" + user + "/settings")).json());
		await settings.forget();
		const want = text(document);
		if (seen != want || has != want) {
			return ["the page sees " + seen, "the service has " + has, "instead of " + want, ...done].join("\n");
		}
	}
	return "";
})`

// TestBrowserClientMergesRight: changes of which some make others void come to the same as all of
// them one after the other.
func TestBrowserClientMergesRight(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	w := openBrowser(t).use(s.base, "42", `{keep: false}`)
	seed := rand.Uint32()
	t.Logf("seed %d", seed)
	if wrong := value[string](w.browser, fmt.Sprintf(`%s(%q, %d)`, merging, s.base, seed)); wrong != "" {
		t.Error(wrong)
	}
}

// TestBrowserClientMergesUnled: while no tab leads, what a slider makes is one change, also in
// IndexedDB.
func TestBrowserClientMergesUnled(t *testing.T) {
	t.Parallel()
	s := newSystem(t, apiConfig)
	s.startWorker()
	w := openBrowser(t).use(s.base, "other", `{keep: false}`)
	w.user = "42"
	w.run(`
		await new Promise(held => navigator.locks.request("outset ` + s.base + `/user/42", () => {
			held();
			return new Promise(r => { window.lead = r; });
		}));`)
	w.start(`{}`)
	w.run(`
		const moves = [];
		for (let n = 1; n <= 1100; n++) moves.push(settings.set("size", n));
		await Promise.all(moves);`)
	w.until(`settings.pending == 1`)
	if n := value[int](w.browser, kept); n != 1 {
		t.Errorf("%d changes are kept", n)
	}
	w.run(`lead(); await settings.synced()`)
	w.shows(`{size: 1100}`)
	if n := s.versions("42"); n != 1 {
		t.Errorf("they made %d versions", n)
	}
}
