// The console: a page for operators. Its parts are files of their own, each shown under a fragment
// of the address. What a token may not do isn't offered.

import { el, problem } from "./elements.js";
import { allows, Problem, send, token } from "./requests.js";
import { showPool } from "./pool.js";
import { showSchema } from "./schema.js";
import { showUsers } from "./users.js";

const main = document.querySelector("main");

// parts returns the parts of the console for an identity.
function parts(identity) {
  const may = allows(identity);
  const own = identity.kind === "user";
  return [
    may("pool:read") && { name: "pool", title: "Pool", show: showPool },
    (own || may("settings:read") || may("users:list")) &&
      { name: "users", title: own ? "Settings" : "Users", show: showUsers },
    { name: "schema", title: "Schema", show: showSchema },
  ].filter(Boolean);
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody has typed it
  }
}

let ended = new AbortController(); // of the part that is shown

// show shows the part that the address names, or the first.
async function show(identity) {
  const all = parts(identity);
  const [name, ...rest] = location.hash.slice(1).split("/").map(decode);
  const part = all.find((p) => p.name === name) ?? all[0];
  document.querySelector("nav").replaceChildren(...all.map((p) =>
    el("a", { href: `#${p.name}`, "aria-current": p === part && "page" }, p.title)));
  document.title = `${part.title} · Outset console`;
  ended.abort();
  ended = new AbortController();
  main.replaceChildren();
  try {
    await part.show(main, { identity, may: allows(identity), rest, signal: ended.signal });
  } catch (error) {
    if (error.name !== "AbortError") main.append(problem(error));
  }
}

// signIn asks for a token.
function signIn(error) {
  ended.abort();
  window.onhashchange = null;
  document.querySelector("nav").replaceChildren();
  const input = el("input", { id: "token", type: "password", autocomplete: "off", required: true,
    pattern: "\\s*[!-~]+\\s*", title: "Letters, digits and signs, without spaces" });
  main.replaceChildren(el("h1", {}, "Sign in"), el("form", { onsubmit(event) {
    event.preventDefault();
    token.set(input.value.trim());
    begin();
  } },
  el("p", {}, "This service asks for a token. ", el("code", {},
    "outset token create console --scope admin"), " makes one; with fewer scopes the console " +
    "offers less. It is kept in this tab until you close it."),
  el("p", {}, el("label", { for: "token" }, "Token"), " ", input, " ", el("button", {}, "Sign in"))),
  token.get() ? problem(error, true) : "");
  input.focus();
}

async function begin() {
  let identity;
  try {
    identity = (await send("GET", "identity")).json;
  } catch (error) {
    if (error instanceof Problem && error.status === 401) signIn(error);
    else main.replaceChildren(problem(error), el("button", { onclick: begin }, "Try again"));
    return;
  }
  const who = document.querySelector("#who");
  if (token.get()) {
    who.replaceChildren(identity.subject, " ", el("button", { onclick() {
      token.set("");
      location.hash = "";
      location.reload();
    } }, "Sign out"));
  } else {
    who.replaceChildren("no tokens are asked for");
  }
  window.onhashchange = () => {
    main.focus(); // now, and not when all is there, when the focus may be elsewhere again
    show(identity);
  };
  await show(identity);
}

// A part that is left keeps what was being edited.
addEventListener("signin", begin);

// A fragment names a part here, so this link can't have one.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

begin();
