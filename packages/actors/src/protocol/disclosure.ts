import type { ErrorCode, ErrorData, MessagingError, WireError } from "../message/errors.ts";
import type { BrokerFrame } from "./frames.ts";
import { type FaultyEnd, logThrown } from "./own-fault.ts";

type Refusing = Extract<BrokerFrame, { readonly type: "refused" | "batch.refused" | "settle.refused" }>;
type Untold<Frame> = Frame extends Refusing ? Omit<Frame, "error"> & { readonly error: MessagingError } : never;
/** A refusal with the whole of its error: what of it is told is decided where it is sent. */
export type Refusal = Untold<Refusing>;
/** Every other frame of a broker: they tell of no error. */
export type PlainFrame = Exclude<BrokerFrame, Refusing | { readonly type: "goodbye" | "member.ended" }>;

/**
 * Codes of what a store failed with, whose texts may name folders and systems. In these words a peer is told of them;
 * and of any error that something else is behind.
 */
const WORDS: Readonly<Partial<Record<ErrorCode, string>>> = {
  STORE_IN_USE: "the broker no longer owns its data, and stops; try again later",
  STORE_DAMAGED: "what is stored of this is damaged",
  STORE_FAILED: "the store of the broker failed; try again later",
  FORMAT_UNSUPPORTED: "a newer version has stored this: upgrade the broker",
};
const OTHER_WORDS: Readonly<Partial<Record<ErrorCode, string>>> = {
  STORE_FULL: "the store of the broker has no room; let consumers drain it",
  UNAVAILABLE: "this could not be done now; try again later",
};
/**
 * What an error's data may be told of, whatever it holds; numbers and yes or no are told under any name. All else
 * (folders, hosts) stays in the log.
 */
const TOLD: ReadonlySet<string> = new Set([
  ...[
    "topic",
    "group",
    "queue",
    "producer",
    "consumer",
    "name",
    "principal",
    "holder",
    "key",
    "entry",
    "verb",
    "anyOf",
    "state",
    "durabilityMax",
  ],
  ...["option", "setting", "frame", "field", "what", "expected", "found"],
  ...["client", "broker", "upgrade", "at", "reference"],
]);

/**
 * Rule 41: what a peer is told of an error, decided in this one place. An error of ours goes with its text, and with
 * what of its data is on the list. One that something else is behind (`cause`: a store, an authorizer, a fault), or
 * that tells of the store, goes with words of ours and a reference, under which the log has all of it.
 */
export class Disclosure {
  readonly #end: Omit<FaultyEnd, "path">;
  /** Of what is logged: one failure of the store refuses many, and is one line. */
  readonly #references = new WeakMap<object, string>();

  constructor(end: Omit<FaultyEnd, "path">) {
    this.#end = end;
  }
  /** @param path whose peer it is, for the log */
  of(error: MessagingError, path: string): WireError {
    const words = wordsFor(error);
    if (words === null) return { code: error.code, message: error.message, data: told(error.data) };
    const reference = this.#referenceOf(error, path);
    // a broker whose data another has taken over is away for its clients, no more: whoever serves them next takes
    // what they ask again
    const code = error.code === "STORE_IN_USE" ? "UNAVAILABLE" : error.code;
    const message = `${words} (the log of the ${this.#end.at} has the reason under reference "${reference}")`;
    return { code, message, data: { reference } };
  }
  #referenceOf(error: MessagingError, path: string): string {
    const root = rootOf(error);
    const known = this.#references.get(root);
    if (known !== undefined) return known;
    const reference = logThrown({ ...this.#end, path }, error, "refused, and its client is not told why", {
      code: error.code,
    });
    this.#references.set(root, reference);
    return reference;
  }
}
/** `null`: it may go with its own. */
function wordsFor({ code, cause }: MessagingError): string | null {
  if (code === "INTERNAL") return null; // says nothing but a reference
  const words = WORDS[code];
  if (words !== undefined) return words;
  return cause === undefined ? null : (OTHER_WORDS[code] ?? `this failed (${code})`);
}
const told = (data: ErrorData): ErrorData =>
  Object.fromEntries(
    Object.entries(data).filter(
      ([name, value]) => TOLD.has(name) || typeof value === "number" || typeof value === "boolean",
    ),
  );
/** What is behind all of it. */
function rootOf(error: object): object {
  let root = error;
  for (let depth = 0; depth < CAUSES_MAX; depth++) {
    const { cause } = root as { readonly cause?: unknown };
    if (typeof cause !== "object" || cause === null) break;
    root = cause;
  }
  return root;
}
const CAUSES_MAX = 16;
