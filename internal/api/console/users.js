// Users: find one, see and edit the document, and go back to what it was.

import { el, moment, problem, row, table } from "./elements.js";
import { send } from "./requests.js";
import { showUser } from "./user.js";

const page = 50; // users in a list

export async function showUsers(main, context) {
  const { identity, may, rest, signal } = context;
  if (identity.kind === "user" || rest[0] !== undefined) {
    await showUser(main, context, identity.kind === "user" ? identity.subject : rest[0]);
    return;
  }
  main.append(el("h1", {}, "Users"));
  const input = el("input", { id: "find", autocomplete: "off", required: true, maxlength: 128 });
  if (may("settings:read")) {
    main.append(el("form", { onsubmit(event) {
      event.preventDefault();
      location.hash = `users/${encodeURIComponent(input.value)}`;
    } }, el("label", { for: "find" }, "User id"), " ", input, " ", el("button", {}, "Open")));
  }
  if (may("users:list")) await list(main, may, signal);
  else main.append(el("p", { class: "hint" }, "To list them the token needs users:list."));
}

// list shows the users who have settings, in the order of their ids.
async function list(main, may, signal) {
  const columns = ["User", ["Version", "number"], "Changed"];
  const rows = [];
  const box = el("div");
  const more = el("button", { onclick: load, hidden: true }, "More");
  main.append(box, more);
  let next = `users?limit=${page}`;
  async function load() {
    const answer = (await send("GET", next, { signal })).json;
    rows.push(...answer.users.map((u) => row(columns, [
      may("settings:read") ?
        el("a", { href: `#users/${encodeURIComponent(u.user)}` }, u.user) : u.user,
      String(u.version), moment(u.time)])));
    box.replaceChildren(table("Users who have settings", columns, rows, "Nobody has settings yet."));
    next = answer.next && `users${answer.next}`;
    more.hidden = !next;
  }
  try {
    await load();
  } catch (error) {
    if (!signal.aborted) main.append(problem(error));
  }
}
