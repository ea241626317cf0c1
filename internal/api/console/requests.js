// The requests of the console. Each is an ordinary request of the API, with the token of whoever
// uses the console.

import { parse } from "./json.js";

const tokenKey = "outset token"; // in sessionStorage, which ends with the tab
const base = new URL("../", import.meta.url); // of the API, whatever prefix a proxy has it under

export const token = {
  get: () => sessionStorage.getItem(tokenKey) ?? "",
  set(text) {
    if (text) sessionStorage.setItem(tokenKey, text);
    else sessionStorage.removeItem(tokenKey);
  },
};

// Problem is an answer that is a failure, with what RFC 9457 has it say.
export class Problem extends Error {
  constructor(status, body, etag) {
    super(body.title ?? `The answer has the status ${status}.`);
    Object.assign(this, { kind: "", ...body, status, etag });
  }
}

// send sends a request and returns its answer. A body that is no text is sent as JSON.
export async function send(method, path, { body, headers = {}, signal } = {}) {
  const all = new Headers(headers);
  if (token.get()) all.set("Authorization", `Bearer ${token.get()}`);
  if (body !== undefined && !all.has("Content-Type")) all.set("Content-Type", "application/json");
  let response;
  try {
    response = await fetch(new URL(path, base), {
      method, headers: all, signal, cache: "no-store",
      body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("The API can't be reached.");
  }
  const text = await response.text();
  if (!response.ok) {
    const problem = response.headers.get("Content-Type")?.includes("problem+json");
    throw new Problem(response.status, problem ? parse(text) : {}, response.headers.get("ETag"));
  }
  return { status: response.status, etag: response.headers.get("ETag"), text,
    get json() { return text === "" ? undefined : JSON.parse(text); } };
}

export const user = (id) => `user/${encodeURIComponent(id)}`;

// allows returns what tells whether an identity has a scope, see internal/access/scope.go.
export function allows(identity) {
  const scopes = new Set(identity.scopes);
  return (scope) => scopes.has(scope) || scopes.has("admin") ||
    (scope === "settings:read" && scopes.has("settings:write"));
}
