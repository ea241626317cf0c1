// The page of the API's description: it shows openapi.json, and sends requests. It needs no
// library, and builds elements from text only, so that nothing in the description or in an answer
// can become markup.

import { el } from "./elements.js";

const shownBytes = 1 << 20; // of an answer
const tokenKey = "outset token"; // in sessionStorage, which ends with the tab

// rich returns the inline Markdown of a description: `code` and **bold**.
function rich(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (/^`.+`$/.test(part)) return el("code", {}, part.slice(1, -1));
    return /^\*\*.+\*\*$/.test(part) ? el("strong", {}, part.slice(2, -2)) : part;
  });
}

const paragraphs = (text = "") => text.split("\n\n").filter(Boolean).map((p) => el("p", {}, rich(p)));
const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

const spec = await (await fetch("openapi.json")).json();

// resolve follows a $ref within the description.
function resolve(o) {
  if (!o?.$ref) return o ?? {};
  const names = o.$ref.slice(2).split("/").map((n) => n.replaceAll("~1", "/").replaceAll("~0", "~"));
  return resolve(names.reduce((at, n) => at[n], spec));
}

// exampleOf is an example of a media type, if it has one.
function exampleOf(media) {
  const named = Object.values(media.examples ?? {})[0];
  return media.example ?? resolve(named).value ?? resolve(media.schema).example;
}

// schemaOf shows a schema. Those with a name are at the end of the page.
function schemaOf(schema) {
  if (!schema) return [];
  const names = [...new Set(JSON.stringify(schema).match(/#\/components\/schemas\/[^"]+/g) ?? [])];
  const links = names.map((n) => n.split("/").pop())
    .flatMap((n) => [" ", el("a", { href: `#schema-${n}` }, n)]);
  return schema.$ref ? el("p", {}, "Schema:", links) :
    el("details", {}, el("summary", {}, "Schema", links), el("pre", {}, pretty(schema)));
}

// parameterRow has the input of a parameter.
function parameterRow(p, id) {
  const schema = resolve(p.schema);
  const values = schema.enum ?? (schema.type === "boolean" ? [true, false] : undefined);
  const attributes = { id, name: p.name, "data-in": p.in, required: p.required };
  const input = values && !p.required ?
    el("select", attributes, ["", ...values].map((v) => el("option", {}, String(v)))) :
    el("input", { ...attributes, value: p.required ? p.example : undefined,
      placeholder: schema.default ?? p.example, spellcheck: "false", autocomplete: "off" });
  const where = `${p.in}${p.required ? ", required" : ""}`;
  return el("tr", {},
    el("th", { scope: "row" }, el("label", { for: id, class: "parameter" }, el("code", {}, p.name)), ` ${where}`),
    el("td", {}, input, rich(p.description ?? "")));
}

// bodyPart has the body's type and its text.
function bodyPart(body, id) {
  if (!body) return [];
  const types = Object.entries(resolve(body).content);
  const text = el("textarea", { id: `${id}-body`, name: "body", spellcheck: "false" });
  const about = el("div");
  const show = () => {
    const media = types.find(([type]) => type === select.value)[1];
    text.value = pretty(exampleOf(media) ?? "");
    about.replaceChildren(...[schemaOf(media.schema)].flat());
  };
  const select = el("select", { "aria-label": "Content-Type", name: "type", onchange: show },
    types.map(([type]) => el("option", {}, type)));
  show();
  return [el("h3", {}, el("label", { for: `${id}-body` }, "Body"), " ", select),
    ...paragraphs(resolve(body).description), text, about];
}

// answers lists what the operation may answer.
function answers(responses) {
  return el("table", { class: "answers" }, Object.entries(responses).map(([status, ref]) => {
    const r = resolve(ref);
    const media = Object.entries(r.content ?? {}).map(([type, m]) => el("details", {},
      el("summary", {}, el("code", {}, type)), schemaOf(m.schema),
      exampleOf(m) === undefined ? [] : el("pre", {}, pretty(exampleOf(m)))));
    const headers = Object.entries(r.headers ?? {}).map(([name, h]) =>
      el("p", {}, el("code", {}, name), " ", rich(resolve(h).description ?? "")));
    return el("tr", {}, el("th", { scope: "row" }, status),
      el("td", {}, paragraphs(r.description), headers.length ?
        el("details", {}, el("summary", {}, "Headers"), headers) : [], media));
  }));
}

// requestOf returns the address and the options of the request that a form describes.
function requestOf(form, path, method) {
  const query = new URLSearchParams();
  const headers = new Headers();
  for (const input of form.querySelectorAll("[data-in]")) {
    const { name, value } = input;
    if (input.dataset.in === "path") {
      // The segments of a value's path stay apart; in all other places a slash is a letter.
      const encoded = name === "path" ? value.split("/").map(encodeURIComponent).join("/") :
        encodeURIComponent(value);
      path = path.replace(`{${name}}`, encoded);
    } else if (value !== "") {
      if (input.dataset.in === "query") query.append(name, value);
      else headers.set(name, value);
    }
  }
  const token = sessionStorage.getItem(tokenKey);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const body = form.elements.body?.value;
  if (body !== undefined) headers.set("Content-Type", form.elements.type.value);
  const search = query.size ? `?${query}` : "";
  return [`.${path}${search}`, { method: method.toUpperCase(), headers, body }];
}

// send sends the request of a form, and shows the answer as it comes: some have no end.
async function send(form, path, method, live, stop) {
  const status = el("p", { class: "status", role: "status" }, "…");
  const head = el("pre", { class: "head" });
  const text = el("pre", { class: "body" });
  live.replaceChildren(el("h3", {}, "Answer"), status, head, text);
  const controller = new AbortController();
  stop.hidden = false;
  stop.onclick = () => controller.abort();
  try {
    const [address, options] = requestOf(form, path, method);
    const began = performance.now();
    const r = await fetch(address, { ...options, signal: controller.signal });
    status.textContent = `${r.status} ${r.statusText} (${Math.round(performance.now() - began)} ms)`;
    head.textContent = [...r.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    const decoder = new TextDecoder();
    const reader = r.body?.getReader();
    for (let shown = 0; reader;) {
      const { done, value } = await reader.read();
      if (done) break;
      text.append(decoder.decode(value, { stream: true }));
      if ((shown += value.length) > shownBytes) {
        text.append("\n… and more");
        await reader.cancel();
        break;
      }
    }
  } catch (e) {
    status.textContent += ` ${e.name === "AbortError" ? "stopped" : e}`;
  }
  stop.hidden = true;
}

// security tells what the operation asks of a token.
function security(operation) {
  const scopes = (operation.security ?? spec.security ?? []).flatMap((s) => Object.values(s).flat());
  return scopes.length ? el("p", { class: "scopes" }, "Scope: ", scopes.map((s) => [el("code", {}, s), " "])) : [];
}

// operationPart shows an operation. What is inside is made when it is first opened.
function operationPart(path, method, operation, shared) {
  const id = operation.operationId;
  const part = el("details", { class: "operation", id },
    el("summary", {}, el("span", { class: "method" }, method.toUpperCase()), " ",
      el("code", {}, path), " ", rich(operation.summary ?? "")));
  part.addEventListener("toggle", () => {
    const live = el("div", { class: "live", "aria-live": "polite" });
    const stop = el("button", { type: "button", hidden: true }, "Stop");
    const parameters = [...shared, ...(operation.parameters ?? [])].map(resolve);
    const form = el("form", { onsubmit: (e) => {
      e.preventDefault();
      send(form, path, method, live, stop);
    } },
    el("table", { class: "parameters" }, parameters.map((p, i) => parameterRow(p, `${id}-${i}`))),
    bodyPart(operation.requestBody, id), el("button", { class: "send" }, "Send"), stop);
    part.append(...paragraphs(operation.description), ...[security(operation)].flat(), form, live,
      el("h3", {}, "Answers"), answers(operation.responses));
  }, { once: true });
  return part;
}

// authorize keeps the token of the form at the top.
function authorize() {
  const form = document.querySelector("#authorize");
  const input = form.querySelector("input");
  const tell = () => {
    form.querySelector("output").textContent = sessionStorage.getItem(tokenKey) ? "A token is set." : "";
    input.value = "";
  };
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    if (input.value.trim()) sessionStorage.setItem(tokenKey, input.value.trim());
    tell();
  });
  document.querySelector("#forget").addEventListener("click", () => {
    sessionStorage.removeItem(tokenKey);
    tell();
  });
  tell();
}

function show() {
  const main = document.querySelector("main");
  main.append(...paragraphs(spec.info.description));
  const methods = ["get", "put", "post", "patch", "delete", "head", "options"];
  for (const tag of spec.tags) {
    main.append(el("h2", {}, tag.name), ...paragraphs(tag.description));
    for (const [path, item] of Object.entries(spec.paths)) {
      for (const method of methods.filter((m) => item[m]?.tags?.includes(tag.name))) {
        main.append(operationPart(path, method, item[method], item.parameters ?? []));
      }
    }
  }
  main.append(el("h2", {}, "Schemas"));
  for (const [name, schema] of Object.entries(spec.components.schemas)) {
    main.append(el("details", { id: `schema-${name}` }, el("summary", {}, el("code", {}, name)),
      el("pre", {}, pretty(schema))));
  }
  main.setAttribute("aria-busy", "false");
  const open = () => document.getElementById(decodeURIComponent(location.hash.slice(1)))?.setAttribute("open", "");
  addEventListener("hashchange", open);
  open();
}

authorize();
show();
