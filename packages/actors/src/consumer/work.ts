import type { ClientEnvironment } from "../link/client-environment.ts";
import { decodeBody, validate } from "../message/body.ts";
import { offset } from "../message/brands.ts";
import { MessagingError, SchemaError } from "../message/errors.ts";
import type { Message } from "../message/message.ts";
import { PackedReader } from "../message/packed.ts";
import type { Keying, Topic } from "../message/topic.ts";
import type { ConsumerSettings } from "./consumer-settings.ts";
import type { Entry } from "./entry.ts";
import type { Form } from "./form.ts";
import type { Pace } from "./pace.ts";
import type { RetrySchedule } from "./retry-schedule.ts";
import type { WaitingLine } from "./waiting-line.ts";

export type AnyTopic = Topic<unknown, unknown, Keying, boolean>;

/** What all workers of one consumer share. */
export interface Work {
  readonly environment: ClientEnvironment;
  readonly topic: AnyTopic;
  readonly settings: ConsumerSettings;
  readonly schedule: RetrySchedule;
  readonly form: Form;
  readonly pace: Pace;
  readonly line: WaitingLine;
  /** The path of the consumer's actor. */
  readonly path: string;
  /** Starts nothing and gives no credit; leases stay. */
  readonly paused: boolean;
}

/** One for all: nothing of it is kept from one message to the next. */
const reader = new PackedReader(new Uint8Array(0));

/** The message as a handler gets it. @throws `SCHEMA_FAILED` (also for bytes that nobody could have sent), `SCHEMA_ASYNC` */
export function readMessage(topic: AnyTopic, queue: number, entry: Entry): Message<unknown> {
  try {
    reader.seek(entry.bytes, entry.at, entry.length);
    const raw = decodeBody(reader.encoding, reader.body);
    return {
      topic: topic.name,
      queue,
      offset: offset(entry.offset),
      key: entry.key,
      id: reader.id,
      headers: reader.headers ?? NO_HEADERS,
      appendedAtMs: entry.appendedAtMs,
      body: topic.validate === "send" ? raw : validate(topic, raw),
    };
  } catch (error) {
    if (error instanceof MessagingError && error.code !== "PROTOCOL_VIOLATION") throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new SchemaError(
      `message ${entry.offset} of topic "${topic.name}" cannot be read: ${message}`,
      [{ message }],
      { cause: error },
    );
  }
}
const NO_HEADERS: Message<unknown>["headers"] = Object.freeze({});
