/** A JSON value. */
export type JSONValue = null | boolean | number | string | JSONValue[] | { [key: string]: JSONValue };

/**
 * Where a value is in the document: `"editor/font/size"`, or `["editor", "font", "size"]`, which a
 * key with a slash in it needs. Without it, or `""`, the whole document. An array is one value.
 */
export type Path = string | readonly (string | number)[];

/** What two have changed at once: the value that a path had, and has for either now. */
export interface Conflict {
  path: string[];
  /** The value that both began with; undefined: there was none. */
  base: JSONValue | undefined;
  /** The value that the page shows. */
  mine: JSONValue | undefined;
  /** The value that the server has. */
  theirs: JSONValue | undefined;
}

/** What has become of the connection and of the changes that were made here. */
export interface State {
  /** The stream of changes is open: what others change shows at once. */
  online: boolean;
  /** How many changes the server has not acknowledged. */
  pending: number;
  /**
   * Changes outlive the page. false: the storage is full or not there, and what is pending is in
   * memory only.
   */
  persistent: boolean;
  /** Why the last request failed, until one succeeds: an OutsetError, or fetch's TypeError. */
  error: Error | undefined;
}

/** Where a document would break the schema, and why. */
export interface Violation {
  pointer: string;
  reason: string;
}

/** A change that the service has refused for good. It is not in the settings any more. */
export interface Refused {
  /** What was to be changed. An edit without a value is a removal. */
  edits: { path: string[]; value?: JSONValue }[];
  status: number;
  /** The kind of the problem, for instance `schema-violation`. */
  kind: string;
  message: string;
  violations: Violation[];
}

export interface Options {
  /** The user's id. */
  user: string;
  /** The address of the service. The default is the folder of client.js. */
  url?: string;
  /**
   * The bearer token, or a function that returns it. That is called for each request, and once more
   * with `refused` if the service didn't accept the token. A request has 30 s, the function included;
   * then it counts as failed and is made again later.
   */
  token?: string | ((why: { refused: boolean }) => string | undefined | Promise<string | undefined>);
  /**
   * Decides where somebody else has changed the same value while a change of this browser was
   * waiting: returns the value to have, undefined for none. Without it the change made here, which
   * reaches the server later, wins. It is called in the tab that has the connection, and nothing is
   * sent before it returns. All conflicts with one document have 5 minutes together; where it has not
   * decided by then, or fails, the change made here wins, and the page gets an `error` event.
   */
  conflict?: (conflict: Conflict) => JSONValue | undefined | Promise<JSONValue | undefined>;
  /**
   * false: the page keeps nothing in this browser and shares nothing with other tabs. For a page that
   * shows settings of others, as a console does.
   */
  keep?: boolean;
  /** Whether fetch sends cookies, for instance of a gateway: as in RequestInit. */
  credentials?: RequestCredentials;
  /** The service's EVENTS_HEARTBEAT in ms; the default is 15,000. */
  heartbeat?: number;
}

/** The events of Settings. */
export interface SettingsEvents {
  state: CustomEvent<State>;
  refused: CustomEvent<Refused>;
}

/** The settings of a user, with the changes that were made here and are not acknowledged yet. */
export interface Settings extends EventTarget {
  /**
   * The value at a path, or undefined. It is there at once if this browser has had the settings
   * before. On the first visit it waits for the server's answer, or for the first failure.
   */
  get<T = JSONValue>(path?: Path): Promise<T | undefined>;
  /**
   * Sets a value; undefined removes it. Of an object only what differs from what is shown is
   * changed, so that what others change in it meanwhile is kept. It resolves once the change is
   * kept here, and shows before. Earlier changes of the same values that have not been sent yet are
   * not sent any more. TypeError: the path leads into an array, or the whole document was to be
   * something else than an object. A DOMException with the name `QuotaExceededError`: 1,000 changes,
   * or a million characters of them as JSON, wait for the service already, and this one is not made.
   */
  set(path: Path, value: unknown): Promise<void>;
  /** Changes several values at once by a merge patch (RFC 7396): null removes. It fails as set does. */
  patch(patch: object): Promise<void>;
  /**
   * The value at a path, and then each new one, changes of this page included. Values in between may
   * be skipped, the last never. It ends when the loop is left, the signal is aborted, or the settings
   * are closed.
   */
  watch<T = JSONValue>(path?: Path, options?: { signal?: AbortSignal }): AsyncIterableIterator<T | undefined>;
  /** How many changes the server has not acknowledged. */
  readonly pending: number;
  readonly state: State;
  /** Resolves when nothing is pending. It fails if they are closed before. */
  synced(): Promise<void>;
  /**
   * Ends connection and storage of this page. What is pending is sent at the next visit. From then on
   * set and patch fail.
   */
  close(): void;
  /** Closes in all tabs and erases what this browser keeps of the user, pending changes included. */
  forget(): Promise<void>;
  addEventListener<K extends keyof SettingsEvents>(
    type: K, listener: (event: SettingsEvents[K]) => void, options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions,
  ): void;
}

/** The error of a request that was refused, by the service or by something on the way. */
export class OutsetError extends Error {
  readonly status: number;
  /** The kind of the problem; "" if the answer is not the service's. */
  readonly kind: string;
  readonly violations: Violation[];
  /** For how many seconds the service wants to be left alone. */
  readonly retryAfter: number;
}

/** Returns the settings of a user. One page needs one object for a user. */
export function outset(options: Options): Settings;
