import type { SendOptions } from "../contracts/options.ts";
import { encodeBody, validate } from "../message/body.ts";
import { MessagingError, optionInvalid } from "../message/errors.ts";
import { ID_BYTES_MAX, KEY_BYTES_MAX, type PackSpace, packInto } from "../message/packed.ts";
import { slotOf } from "../message/route.ts";
import type { Keying, Topic } from "../message/topic.ts";

/** Keys whose slot is remembered. */
const SLOTS_KNOWN_MAX = 4_096;
const utf8 = new TextEncoder();
const LONE_SURROGATE = /\p{Surrogate}/u;
const NO_OPTIONS = { id: null, headers: null };

/**
 * Makes messages of what is given to `send`: the topic's schema, its key, its encoding.
 * @throws `SCHEMA_FAILED` `SCHEMA_ASYNC` `KEY_INVALID` `OPTION_INVALID`
 */
export class SendPacker<In, Out> {
  readonly #topic: Topic<In, Out, Keying, boolean>;
  readonly #slots = new Map<string, number>();

  constructor(topic: Topic<In, Out, Keying, boolean>) {
    this.#topic = topic;
  }
  /** The key, once the schema has accepted the body. */
  keyOf(body: In, options: SendOptions | undefined): string | null {
    const parsed = validate(this.#topic, body);
    const { keying, keyOf, name } = this.#topic;
    const given = (options as { readonly key?: unknown } | undefined)?.key;
    if (keying !== "given" && given !== undefined)
      throw optionInvalid(
        "key",
        `left out: topic "${name}" ${keying === "none" ? "has no keys" : "takes the key from the body"}`,
        given,
      );
    if (keying === "none") return null;
    let key: unknown = given;
    if (keying === "derived") {
      try {
        key = keyOf?.(parsed);
      } catch (cause) {
        throw new MessagingError(
          "KEY_INVALID",
          `the key function of topic "${name}" threw: ${cause instanceof Error ? cause.message : String(cause)}`,
          { cause },
        );
      }
    }
    if (typeof key !== "string")
      throw new MessagingError(
        "KEY_INVALID",
        `the key of a message of topic "${name}" must be a string, found ${key === null ? "null" : typeof key}`,
      );
    return key;
  }
  /** Checked once per key, and remembered: the hash of a key is read again and again. */
  slotOf(key: string): number {
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    // a character takes at most 3 bytes
    if (key.length > KEY_BYTES_MAX || (key.length > KEY_BYTES_MAX / 3 && utf8.encode(key).length > KEY_BYTES_MAX))
      throw new MessagingError(
        "KEY_INVALID",
        `a key has at most ${KEY_BYTES_MAX} bytes as UTF-8, found ${key.length} characters`,
      );
    if (LONE_SURROGATE.test(key))
      throw new MessagingError("KEY_INVALID", "a key must be well-formed Unicode, found a lone surrogate");
    const slot = slotOf(key);
    if (this.#slots.size >= SLOTS_KNOWN_MAX) this.#slots.clear();
    this.#slots.set(key, slot);
    return slot;
  }
  /** Packs into `space`. @returns the message's length */
  pack(space: PackSpace, body: In, key: string | null, slot: number, options: SendOptions | undefined): number {
    const { id, headers } = options === undefined ? NO_OPTIONS : checked(options);
    const { encoding } = this.#topic;
    return packInto(space, { key, slot, id, headers, dueMs: null, encoding, body: encodeBody(encoding, body) });
  }
}

function checked(options: SendOptions): {
  readonly id: string | null;
  readonly headers: Readonly<Record<string, string>> | null;
} {
  const { id, headers, deliverAtMs } = options;
  if (deliverAtMs !== undefined)
    throw optionInvalid("deliverAtMs", "left out: delayed messages are not available yet", deliverAtMs);
  if (id !== undefined && (typeof id !== "string" || id === "" || utf8.encode(id).length > ID_BYTES_MAX))
    throw optionInvalid("id", `a string of 1 to ${ID_BYTES_MAX} bytes`, id);
  if (headers !== undefined) {
    if (typeof headers !== "object" || headers === null)
      throw optionInvalid("headers", "an object of strings", headers);
    for (const [name, value] of Object.entries(headers))
      if (typeof value !== "string") throw optionInvalid(`headers.${name}`, "a string", value);
  }
  return { id: id ?? null, headers: headers === undefined ? null : headers };
}
