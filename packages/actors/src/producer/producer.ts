import type { Subscription } from "rxjs";
import type { ClientEnvironment } from "../client/client-environment.ts";
import type { TopicView } from "../client/topic-directory.ts";
import { encodeBody, validate } from "../message/body.ts";
import { atLeastAsDurable, type Durability, type Epoch, type Offset } from "../message/brands.ts";
import { asMessagingError, type ErrorCode, FlushError, MessagingError, optionInvalid } from "../message/errors.ts";
import type { Receipt } from "../message/message.ts";
import { ID_BYTES_MAX, KEY_BYTES_MAX, packMessage } from "../message/packed.ts";
import { NO_SLOT, slotOf } from "../message/route.ts";
import type { Keying, Topic } from "../message/topic.ts";
import { Lane, type LaneHost } from "./lane.ts";
import { PendingSend } from "./pending-send.ts";
import { type ProducerRef, producerMachine } from "./producer.machine.ts";
import type { CloseOptions, Producer, ProducerOptions, SendArgs, SendOptions, WaitOptions } from "./producer-api.ts";
import { closeTimeout, type ProducerSettings, producerSettings } from "./producer-options.ts";
import { Ring } from "./ring.ts";
import { Waits } from "./waits.ts";

/** Starts a producer. Its sends wait until the topic's route is known. @throws `OPTION_INVALID` */
export function createProducer<In, Out, K extends Keying, O extends boolean>(
  environment: ClientEnvironment,
  topic: Topic<In, Out, K, O>,
  options: ProducerOptions = {},
  onClosed: () => void = () => {},
): Producer<In, K> {
  const settings = producerSettings(options);
  return new LiveProducer(
    environment,
    topic as unknown as Topic<In, Out, Keying, O>,
    settings,
    options.name ?? environment.runtime.id(),
    onClosed,
  ) as Producer<In, K>;
}

/** Sends that failed and that nobody has looked at, at most this many, until the next flush tells of them. */
const FAILURES_MAX = 1_000;
/** The sweep for sends that took too long runs this often at most, ms. */
const SWEEP_MS_MIN = 5;
/** Keys whose slot is remembered. */
const SLOTS_KNOWN_MAX = 4_096;

class LiveProducer<In, Out> implements Producer<In, Keying>, LaneHost {
  readonly name: string;
  readonly environment: ClientEnvironment;
  readonly topic: string;
  readonly path: string;
  readonly #definition: Topic<In, Out, Keying, boolean>;
  readonly #settings: ProducerSettings;
  readonly #actor: ProducerRef;
  readonly #onClosed: () => void;
  readonly #links: Subscription;

  #view: TopicView | undefined;
  #finding: AbortController | null = null;
  readonly #lanes: (Lane | undefined)[] = [];
  #dirty: Lane[] = [];
  #nextQueue = 0;
  readonly #slots = new Map<string, number>();

  #calls = 0;
  /** Messages and bytes that lanes hold, or that wait for the route. */
  #held = 0;
  #heldBytes = 0;
  /** In call order: admitted, but the route is not known yet. */
  readonly #undealt = new Ring<PendingSend>();
  /** In call order: there is no room. */
  readonly #waiting = new Ring<PendingSend>();
  #waitingGone = 0;
  /** In call order, and so in the order of their deadlines: sends without an answer, and answered ones behind such. */
  readonly #unanswered = new Ring<PendingSend>();
  #answeredBehind = 0;
  #sweep: unknown = null;

  readonly #signals = new Map<AbortSignal, { readonly sends: Set<PendingSend>; readonly leave: () => void }>();
  #failures: PendingSend[] = [];
  readonly #readyWaits = new Waits<null>();
  readonly #flushWaits = new Waits<number>();
  #fenced: MessagingError | null = null;
  #ended = false;
  #closing: Promise<void> | null = null;
  #closed: (() => void) | null = null;

  constructor(
    environment: ClientEnvironment,
    topic: Topic<In, Out, Keying, boolean>,
    settings: ProducerSettings,
    name: string,
    onClosed: () => void,
  ) {
    this.environment = environment;
    this.name = name;
    this.topic = topic.name;
    this.#definition = topic;
    this.#settings = settings;
    this.#onClosed = onClosed;
    this.path = uniquePath(environment, `${environment.name}/${topic.name}/${name}`);
    this.#actor = environment.actors.start(
      { kind: "producer", path: this.path, failed: (error) => this.#end(asMessagingError(error, "CLOSED")) },
      producerMachine.provide({
        guards: { isDrained: () => this.#unanswered.length === 0 },
        actions: {
          end: () => this.#end(new MessagingError("CLOSED", `producer "${this.name}" was closed before this was sent`)),
        },
      }) as typeof producerMachine,
      {},
    );
    this.#links = environment.connection.links$.subscribe((link) => {
      for (const lane of this.#lanes) lane?.linked(link);
    });
  }

  /* ---------- sending ---------- */

  send(body: In, ...[options]: SendArgs<Keying>): Promise<Receipt> {
    let key: string | null = null;
    let slot = NO_SLOT;
    let packed: Uint8Array;
    try {
      if (this.#ended || this.#closing !== null)
        throw new MessagingError("CLOSED", `producer "${this.name}" is closed`);
      if (this.#fenced !== null) throw this.#fenced;
      const topic = this.#definition;
      const parsed = validate(topic, body);
      key = this.#keyOf(parsed, options);
      if (key !== null) slot = this.#slotOf(key);
      const { id, headers } = options === undefined ? NO_OPTIONS : checked(options);
      packed = packMessage({
        key,
        slot,
        id,
        headers,
        dueMs: null,
        encoding: topic.encoding,
        body: encodeBody(topic.encoding, body),
      });
      const { messageBytesMax } = this.environment.connection.welcome;
      if (packed.length > messageBytesMax)
        throw new MessagingError(
          "MESSAGE_TOO_LARGE",
          `the message has ${packed.length} bytes; the broker takes at most ${messageBytesMax}`,
          {
            data: { bytes: packed.length, bytesMax: messageBytesMax },
          },
        );
      this.#checkDurability();
    } catch (error) {
      return this.#refuseAtIntake(key, options?.id ?? null, asMessagingError(error, "SCHEMA_FAILED"));
    }
    const signal = options?.signal;
    const id = options?.id ?? null;
    if (signal?.aborted === true) return this.#refuseAtIntake(key, id, aborted(signal));
    const room = this.#waiting.length === 0 && this.#hasRoom(packed.length);
    if (!room && this.#waiting.length - this.#waitingGone >= this.#settings.waitingMax)
      return this.#refuseAtIntake(
        key,
        id,
        new MessagingError(
          "BUFFER_FULL",
          `${this.#held} messages (${this.#heldBytes} bytes) are not acknowledged and ${this.#settings.waitingMax} sends wait for room; wait for ready()`,
        ),
      );
    const send = new PendingSend(
      ++this.#calls,
      packed,
      key,
      id,
      slot,
      this.environment.runtime.now() + this.#settings.sendTimeoutMs,
    );
    this.#unanswered.push(send);
    if (this.#sweep === null) this.#armSweep();
    if (signal !== undefined) this.#listen(send, signal);
    if (room) this.#admit(send);
    else this.#waiting.push(send);
    return send.promise;
  }

  #keyOf(parsed: Out, options: SendOptions | undefined): string | null {
    const { keying, keyOf, name } = this.#definition;
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
  #slotOf(key: string): number {
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    if (key.length > KEY_BYTES_MAX || utf8.encode(key).length > KEY_BYTES_MAX)
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
  #checkDurability(): void {
    const { durability } = this.#settings;
    const { durabilityMax } = this.environment.connection.welcome;
    if (durability !== null && !atLeastAsDurable(durabilityMax, durability))
      throw new MessagingError(
        "DURABILITY_UNAVAILABLE",
        `the broker's store keeps messages "${durabilityMax}" at most, "${durability}" was asked for`,
        {
          data: { asked: durability, available: durabilityMax },
        },
      );
  }
  /** Fails before anything behind it was called, so nothing fails with it. */
  #refuseAtIntake(key: string | null, id: string | null, error: MessagingError): Promise<Receipt> {
    const send = new PendingSend(++this.#calls, EMPTY, key, typeof id === "string" ? id : null, NO_SLOT, 0);
    send.stage = "gone";
    this.#answerFailed(send, error, "notAppended");
    return send.promise;
  }
  /** One listener per signal, however many sends share it. */
  #listen(send: PendingSend, signal: AbortSignal): void {
    let listening = this.#signals.get(signal);
    if (listening === undefined) {
      const sends = new Set<PendingSend>();
      listening = { sends, leave: () => signal.removeEventListener("abort", take) };
      const take = (): void => {
        this.#signals.delete(signal);
        this.#takeAllBack([...sends].filter(isTakeable), aborted(signal));
      };
      signal.addEventListener("abort", take, { once: true });
      this.#signals.set(signal, listening);
    }
    const { sends, leave } = listening;
    sends.add(send);
    send.unlisten = () => {
      sends.delete(send);
      if (sends.size > 0 || this.#signals.get(signal)?.sends !== sends) return;
      this.#signals.delete(signal);
      leave();
    };
  }
  /** With what follows them, in call order. */
  #takeAllBack(sends: readonly PendingSend[], error: MessagingError): void {
    const keys = new Map<string, number>();
    for (const send of sends) {
      if (send.key !== null && !keys.has(send.key)) keys.set(send.key, send.call);
      this.#takeBack(send, error);
    }
    this.#failFollowers(keys);
    this.turned();
  }

  #hasRoom(bytes: number): boolean {
    return (
      this.#held === 0 ||
      (this.#held < this.#settings.bufferMessagesMax && this.#heldBytes + bytes <= this.#settings.bufferBytesMax)
    );
  }
  #admit(send: PendingSend): void {
    this.#held++;
    this.#heldBytes += send.packed.length;
    if (this.#view !== undefined) this.#deal(send, this.#view);
    else {
      send.stage = "admitted";
      this.#undealt.push(send);
      if (this.#finding === null) void this.#findRoute();
    }
  }
  #deal(send: PendingSend, view: TopicView): void {
    const queue = send.key === null ? this.#nextQueue++ % view.spec.queues : (view.table[send.slot] ?? 0);
    send.queue = queue;
    const lane = this.#laneOf(queue);
    lane.push(send);
    if (lane.dirty) return;
    lane.dirty = true;
    if (this.#dirty.push(lane) === 1) this.environment.runtime.defer(this.#fill);
  }
  #laneOf(queue: number): Lane {
    const known = this.#lanes[queue];
    if (known !== undefined) return known;
    const lane = new Lane(this, queue);
    this.#lanes[queue] = lane;
    return lane;
  }
  /** Once a turn: what was called in it leaves together. */
  readonly #fill = (): void => {
    const lanes = this.#dirty;
    this.#dirty = [];
    for (const lane of lanes) lane.filled();
  };

  async #findRoute(): Promise<void> {
    const finding = new AbortController();
    this.#finding = finding;
    try {
      this.#view = await this.environment.topics.find(this.#definition, finding.signal);
      if (this.#ended) return;
      for (let send = this.#undealt.shift(); send !== undefined; send = this.#undealt.shift())
        if (send.stage === "admitted") this.#deal(send, this.#view);
    } catch (error) {
      if (this.#ended) return;
      // nobody has a number: all that was called so far fails together, and what is called later asks again
      const sends = [...this.#undealt, ...this.#waiting].filter(isTakeable);
      for (const send of sends) this.#takeBack(send, asMessagingError(error));
      this.#undealt.clear();
    } finally {
      if (this.#finding === finding) this.#finding = null;
    }
    this.turned();
  }

  /* ---------- what lanes ask and tell ---------- */

  get inFlightBatchesMax(): number {
    return this.#settings.inFlightBatchesMax;
  }
  durability(): Durability {
    if (this.#settings.durability !== null) return this.#settings.durability;
    return this.environment.connection.welcome.durabilityMax === "memory" ? "memory" : "flushed";
  }
  routeVersion(): number {
    return this.#view?.route.version ?? 0;
  }
  wrongRoute(error: MessagingError): void {
    this.environment.topics.forget(this.topic, error);
    this.environment.topics.find(this.#definition).then(
      (view) => {
        this.#view = view;
      },
      () => {}, // the lane comes back here when it is refused again
    );
  }
  sending(send: PendingSend): void {
    if (this.environment.history === null) return;
    const { key, id, queue } = send;
    this.environment.history.record({
      type: "sending",
      topic: this.topic,
      queue,
      id,
      key,
      producer: this.name,
      durability: this.durability(),
    });
  }
  appended(send: PendingSend, offset: Offset, duplicate: boolean, logEpoch: number): void {
    const { key, id, queue } = send;
    const durability = this.durability();
    if (this.environment.history !== null)
      this.environment.history.record({
        type: "sent",
        topic: this.topic,
        queue,
        offset,
        logEpoch,
        id,
        key,
        producer: this.name,
        durability,
        duplicate,
      });
    if (send.answered) return;
    this.#answered();
    send.resolve({ topic: this.topic, queue, offset, key, durability, duplicate, orderKept: true });
  }
  released(_send: PendingSend, bytes: number): void {
    this.#held--;
    this.#heldBytes -= bytes;
  }
  failed(sends: readonly PendingSend[], error: MessagingError, outcome: "notAppended" | "unknown"): void {
    const keys = new Map<string, number>();
    for (const send of sends) {
      if (send.key !== null && !keys.has(send.key)) keys.set(send.key, send.call);
      if (isTakeable(send)) this.#takeBack(send, error);
      else if (!send.answered) this.#answerFailed(send, outcome === "unknown" ? outcomeUnknown(error) : error, outcome);
    }
    this.#failFollowers(keys);
  }
  fenced(lane: Lane, epoch: Epoch | null, error: MessagingError): void {
    if (this.#fenced !== null) return;
    this.#fenced = error;
    this.environment.events.tell({ type: "producer.fenced", producer: this.name, epoch: (epoch ?? 0) as Epoch });
    this.environment.logger.log(
      "error",
      `producer "${this.name}" of topic "${this.topic}" was fenced by another of its name`,
      { queue: lane.queue, epoch },
    );
    for (const other of this.#lanes) other?.fence(error);
    for (const send of [...this.#undealt, ...this.#waiting]) if (isTakeable(send)) this.#takeBack(send, error);
    this.turned();
  }
  tailLost(queue: number, from: number, to: number): void {
    this.environment.history?.record({ type: "tailLost", topic: this.topic, queue, producer: this.name, from, to });
    this.environment.logger.log("warn", `the broker lost messages it had acknowledged to producer "${this.name}"`, {
      topic: this.topic,
      queue,
      from,
      to,
    });
  }
  turned(): void {
    while (this.#undealt.peek()?.stage === "gone") this.#undealt.shift();
    for (let send = this.#waiting.peek(); send !== undefined; send = this.#waiting.peek()) {
      if (send.stage === "gone") this.#waitingGone--;
      else if (this.#hasRoom(send.packed.length)) this.#admit(send);
      else break;
      this.#waiting.shift();
    }
    for (let send = this.#unanswered.peek(); send?.answered === true; send = this.#unanswered.peek()) {
      this.#unanswered.shift();
      this.#answeredBehind--;
    }
    if (this.#answeredBehind > 1_024 && this.#answeredBehind > this.#unanswered.length / 2) {
      this.#unanswered.retain((send) => !send.answered);
      this.#answeredBehind = 0;
    }
    if (this.#readyWaits.any && this.#isReady) this.#readyWaits.release(() => true);
    if (this.#flushWaits.any) {
      const oldest = this.#unanswered.peek()?.call ?? Number.POSITIVE_INFINITY;
      this.#flushWaits.release((upTo) => upTo < oldest);
    }
    if (this.#unanswered.length === 0) {
      if (this.#sweep !== null) this.environment.runtime.clearTimeout(this.#sweep);
      this.#sweep = null;
      if (this.#closing !== null && !this.#ended) this.#actor.send({ type: "producer.drained" });
    }
  }

  /* ---------- failing ---------- */

  /** Takes a message out that has no number. */
  #takeBack(send: PendingSend, error: MessagingError): void {
    const bytes = send.packed.length;
    if (send.stage === "waiting") this.#waitingGone++;
    else this.released(send, bytes);
    if (send.stage === "buffered") this.#lanes[send.queue]?.buffer.remove(send);
    send.stage = "gone";
    send.packed = EMPTY;
    if (!send.answered) this.#answerFailed(send, error, "notAppended");
  }
  /** Rule 9: what was called behind a failed send of its key, and has no number, fails too. */
  #failFollowers(keys: ReadonlyMap<string, number>): void {
    if (keys.size === 0) return;
    const queues = new Set<Lane>();
    for (const lane of this.#lanes) if (lane !== undefined) queues.add(lane);
    const follows = (send: PendingSend): boolean =>
      send.key !== null && isTakeable(send) && send.call > (keys.get(send.key) ?? Number.POSITIVE_INFINITY);
    for (const lane of queues)
      for (const send of [...lane.buffer.waiting()]) if (follows(send)) this.#takeBack(send, predecessorFailed(send));
    for (const send of this.#undealt) if (follows(send)) this.#takeBack(send, predecessorFailed(send));
    for (const send of this.#waiting) if (follows(send)) this.#takeBack(send, predecessorFailed(send));
  }
  #answerFailed(send: PendingSend, error: MessagingError, outcome: "notAppended" | "unknown"): void {
    const { key, id } = send;
    const { history, events } = this.environment;
    history?.record({ type: "refused", topic: this.topic, id, key, producer: this.name, code: error.code, outcome });
    if (send.deadline > 0) this.#answered();
    events.tell({ type: "send.refused", topic: this.topic, key, code: error.code as ErrorCode });
    if (this.#failures.length >= FAILURES_MAX) this.#forgetRead();
    if (this.#failures.length < FAILURES_MAX) this.#failures.push(send);
    send.reject(error);
  }
  #answered(): void {
    this.#answeredBehind++;
  }
  #forgetRead(): void {
    this.#failures = this.#failures.filter((send) => !send.promise.read);
  }

  #armSweep(): void {
    const oldest = this.#unanswered.peek();
    if (oldest === undefined) return;
    const { runtime } = this.environment;
    this.#sweep = runtime.setTimeout(this.#sweepLate, Math.max(SWEEP_MS_MIN, oldest.deadline - runtime.now()));
  }
  readonly #sweepLate = (): void => {
    this.#sweep = null;
    const now = this.environment.runtime.now();
    const keys = new Map<string, number>();
    for (const send of this.#unanswered) {
      if (send.deadline > now) break;
      if (send.answered) continue;
      if (send.key !== null && !keys.has(send.key)) keys.set(send.key, send.call);
      if (isTakeable(send)) this.#takeBack(send, sendTimeout(this.#settings.sendTimeoutMs));
      else this.#answerFailed(send, outcomeUnknown(sendTimeout(this.#settings.sendTimeoutMs)), "unknown");
    }
    this.#failFollowers(keys);
    this.turned();
    this.#armSweep();
  };

  /* ---------- waiting and ending ---------- */

  get #isReady(): boolean {
    return this.#waiting.length === 0 && this.#hasRoom(1);
  }
  ready(options?: WaitOptions): Promise<void> {
    if (this.#ended || this.#closing !== null)
      return Promise.reject(new MessagingError("CLOSED", `producer "${this.name}" is closed`));
    if (this.#fenced !== null) return Promise.reject(this.#fenced);
    return this.#isReady ? Promise.resolve() : this.#readyWaits.wait(null, options);
  }
  async flush(options?: WaitOptions): Promise<void> {
    const upTo = this.#calls;
    if ((this.#unanswered.peek()?.call ?? Number.POSITIVE_INFINITY) <= upTo) await this.#flushWaits.wait(upTo, options);
    this.#forgetRead();
    const unread = this.#failures.filter((send) => send.call <= upTo);
    if (unread.length === 0) return;
    this.#failures = this.#failures.filter((send) => send.call > upTo);
    throw new FlushError(unread.map((send) => send.failure as MessagingError));
  }
  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing !== null) return this.#closing;
    const timeoutMs = closeTimeout(options.timeoutMs);
    this.#closing = new Promise((resolve) => {
      this.#closed = resolve;
    });
    if (this.#ended) this.#closed?.();
    else this.#actor.send({ type: "producer.close", timeoutMs });
    return this.#closing;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
  #end(error: MessagingError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#links.unsubscribe();
    this.#finding?.abort();
    if (this.#sweep !== null) this.environment.runtime.clearTimeout(this.#sweep);
    const left = [...this.#unanswered].filter((send) => !send.answered);
    if (left.length > 0)
      this.environment.logger.log("warn", `producer "${this.name}" was closed with ${left.length} sends under way`, {
        topic: this.topic,
        sends: left.length,
      });
    for (const send of left) {
      if (isTakeable(send)) this.#takeBack(send, error);
      else this.#answerFailed(send, outcomeUnknown(error), "unknown");
    }
    for (const lane of this.#lanes) lane?.stop();
    this.#readyWaits.failAll(error);
    this.#unanswered.clear();
    this.#flushWaits.release(() => true);
    this.#onClosed();
    this.#closed?.();
  }
}

/** It has no number: it can be taken back, and then it was never appended. */
const isTakeable = (send: PendingSend): boolean =>
  send.stage === "waiting" || send.stage === "admitted" || send.stage === "buffered";

const EMPTY = new Uint8Array(0);
const utf8 = new TextEncoder();
const LONE_SURROGATE = /\p{Surrogate}/u;
const NO_OPTIONS = { id: null, headers: null };

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
const aborted = (signal: AbortSignal): MessagingError =>
  new MessagingError("SEND_ABORTED", "the send was taken back before it left", { cause: signal.reason });
const sendTimeout = (ms: number): MessagingError =>
  new MessagingError("SEND_TIMEOUT", `the message had not left after ${ms} ms; it was not appended`, {
    data: { timeoutMs: ms },
  });
const outcomeUnknown = (cause: MessagingError): MessagingError =>
  cause.code === "OUTCOME_UNKNOWN"
    ? cause
    : new MessagingError(
        "OUTCOME_UNKNOWN",
        `the message was sent, and whether it was appended is not known: ${cause.message}`,
        { cause },
      );
const predecessorFailed = (send: PendingSend): MessagingError =>
  new MessagingError(
    "PREDECESSOR_FAILED",
    `an earlier send of key ${JSON.stringify(send.key)} failed, so this one was not sent`,
    { data: { key: send.key } },
  );

/** Two producers of one name may live in one client: the second fences the first. */
function uniquePath(environment: ClientEnvironment, path: string): string {
  const taken = new Set(environment.actors.list("producer").map((producer) => producer.path));
  for (let n = 2, candidate = path; ; n++) {
    if (!taken.has(candidate)) return candidate;
    candidate = `${path}#${n}`;
  }
}
