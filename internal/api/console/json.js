// JSON documents: their values by path, and how two of them differ.

// parse keeps numbers as they are spelt, where the browser can: 1.0 stays 1.0.
export const parse = (text) => JSON.parse(text, (_, value, context) =>
  typeof value === "number" && context?.source && JSON.rawJSON && String(value) !== context.source ?
    JSON.rawJSON(context.source) : value);

export const isObject = (value) => typeof value === "object" && value !== null &&
  !Array.isArray(value) && !JSON.isRawJSON?.(value);

export const spelt = (value) => (value === undefined ? "nothing" : JSON.stringify(value));

const equal = (a, b) => a === b || spelt(a) === spelt(b);

// leaves returns the values of a document with their paths. An array is one value, and so is an
// object without members.
export function leaves(value, path = []) {
  const members = isObject(value) ? Object.entries(value) : [];
  return members.length > 0 || path.length === 0 ?
    members.flatMap(([key, v]) => leaves(v, [...path, key])) : [{ path, value }];
}

export function at(value, path) {
  for (const key of path) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

// differences returns where two documents differ: the path, and the value of each.
export function differences(a, b, path = []) {
  if (!isObject(a) || !isObject(b)) return equal(a, b) ? [] : [{ path, a, b }];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  const own = (o, key) => (Object.hasOwn(o, key) ? o[key] : undefined);
  return [...keys].flatMap((key) => differences(own(a, key), own(b, key), [...path, key]));
}

// put returns a document in which the path has a value; undefined: none. Objects on the way there
// are made.
export function put(document, [key, ...rest], value) {
  const copy = isObject(document) ? Object.fromEntries(Object.entries(document)) : {};
  if (rest.length > 0) {
    if (value === undefined && !isObject(copy[key])) return copy;
    value = put(Object.hasOwn(copy, key) ? copy[key] : undefined, rest, value);
  }
  const members = Object.entries(copy).filter(([k]) => k !== key || value !== undefined);
  const i = members.findIndex(([k]) => k === key);
  if (i >= 0) members[i] = [key, value];
  else if (value !== undefined) members.push([key, value]);
  return Object.fromEntries(members);
}

const within = (a, b) => a.path.every((key, i) => key === b.path[i]);

// merge has what mine and theirs made of the same base. What only one of them has changed is as it
// is there. conflicts are where both have, differently: theirs stays until it is decided otherwise.
export function merge(base, mine, theirs) {
  const changed = differences(base, theirs);
  const conflicts = [];
  let merged = theirs;
  for (const change of differences(base, mine)) {
    const other = changed.find((t) => within(t, change) || within(change, t));
    if (other === undefined) {
      merged = put(merged, change.path, change.b);
    } else if (!equal(at(mine, change.path), at(theirs, change.path))) {
      conflicts.push({ path: change.path, base: change.a, mine: change.b,
        theirs: at(theirs, change.path) });
    }
  }
  return { merged, conflicts };
}
