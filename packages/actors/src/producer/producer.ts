import type { Subscription } from "rxjs";
import type { CloseOptions, SendArgs, WaitOptions } from "../contracts/options.ts";
import { closeTimeout } from "../contracts/options.ts";
import type { ClientEnvironment } from "../link/client-environment.ts";
import type { Connection } from "../link/connection.ts";
import type { TopicUse, TopicView } from "../link/topic-directory.ts";
import { atLeastAsDurable, type Durability, type Epoch, type Offset } from "../message/brands.ts";
import { asMessagingError, type ErrorCode, FlushError, MessagingError } from "../message/errors.ts";
import type { Receipt } from "../message/message.ts";
import { PackSpace } from "../message/packed.ts";
import { NO_SLOT, slotOf } from "../message/route.ts";
import type { Keying, Topic } from "../message/topic.ts";
import { Ring } from "../runtime/ring.ts";
import { Waits } from "../runtime/waits.ts";
import { AbortWatch } from "./abort-watch.ts";
import { Lane, type LaneHost } from "./lane.ts";
import { PendingSend } from "./pending-send.ts";
import { type ProducerRef, producerMachine } from "./producer.machine.ts";
import type { Producer, ProducerOptions } from "./producer-api.ts";
import { type ProducerSettings, producerSettings } from "./producer-options.ts";
import { aborted, outcomeUnknown, predecessorFailed, sendTimeout } from "./send-errors.ts";
import { SendHistoryRecorder } from "./send-history-recorder.ts";
import { SendPacker } from "./send-packer.ts";
import { Unanswered } from "./unanswered.ts";
import { UnreadFailures } from "./unread-failures.ts";

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

class LiveProducer<In, Out> implements Producer<In, Keying>, LaneHost {
  readonly name: string;
  readonly environment: ClientEnvironment;
  readonly topic: string;
  readonly path: string;
  readonly #definition: Topic<In, Out, Keying, boolean>;
  readonly #settings: ProducerSettings;
  readonly #actor: ProducerRef;
  readonly #onClosed: () => void;
  /** Of the topic's broker, as far as that is known: its queues all live there. */
  connection: Connection;
  #links: Subscription;

  #view: TopicView | undefined;
  #finding: AbortController | null = null;
  readonly #lanes: (Lane | undefined)[] = [];
  #dirty: Lane[] = [];
  #nextQueue = 0;
  readonly #packer: SendPacker<In, Out>;
  /** For messages whose lane is not known yet. */
  readonly #space = new PackSpace();
  readonly #recorder: SendHistoryRecorder | null;

  #calls = 0;
  /** Messages and bytes that lanes hold, or that wait for the route. */
  #held = 0;
  #heldBytes = 0;
  /** In call order: admitted, but the route is not known yet. */
  readonly #undealt = new Ring<PendingSend>();
  /** In call order: there is no room. */
  readonly #waiting = new Ring<PendingSend>();
  #waitingGone = 0;
  readonly #unanswered: Unanswered;

  readonly #aborts = new AbortWatch((sends, error) => this.#takeAllBack(sends.filter(isTakeable), error));
  readonly #failures = new UnreadFailures();
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
    this.#packer = new SendPacker(topic);
    const { history } = environment;
    this.#recorder = history === null ? null : new SendHistoryRecorder(history, topic.name, name);
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
    this.#unanswered = new Unanswered(
      environment.runtime,
      (sends) => this.#late(sends),
      (error) => environment.logger.log("error", `producer "${name}": late sends could not be failed`, { error }),
    );
    this.connection = environment.linkTo(environment.home);
    this.#links = this.#follow();
  }
  #moveTo(connection: Connection): void {
    if (connection === this.connection) return;
    this.#links.unsubscribe();
    this.connection = connection;
    this.#links = this.#follow();
  }
  #follow(): Subscription {
    return this.connection.links$.subscribe((link) => {
      for (const lane of this.#lanes) lane?.linked(link);
    });
  }

  /* ---------- sending ---------- */

  send(body: In, ...[options]: SendArgs<Keying>): Promise<Receipt> {
    let key: string | null = null;
    let slot = NO_SLOT;
    let space: PackSpace;
    let length: number;
    try {
      if (this.#ended || this.#closing !== null)
        throw new MessagingError("CLOSED", `producer "${this.name}" is closed`);
      if (this.#fenced !== null) throw this.#fenced;
      key = this.#packer.keyOf(body, options);
      if (key !== null) slot = this.#packer.slotOf(key);
      space = this.#spaceFor(slot);
      length = this.#packer.pack(space, body, key, slot, options);
      const { messageBytesMax } = this.connection.welcome;
      if (length > messageBytesMax)
        throw new MessagingError(
          "MESSAGE_TOO_LARGE",
          `the message has ${length} bytes; the broker takes at most ${messageBytesMax}`,
          {
            data: { bytes: length, bytesMax: messageBytesMax },
          },
        );
      this.#checkDurability();
    } catch (error) {
      return this.#refuseAtIntake(key, options?.id ?? null, asMessagingError(error, "SCHEMA_FAILED"));
    }
    const signal = options?.signal;
    const id = options?.id ?? null;
    if (signal?.aborted === true) return this.#refuseAtIntake(key, id, aborted(signal));
    const room = this.#waiting.length === 0 && this.#hasRoom(length);
    if (!room && this.#waiting.length - this.#waitingGone >= this.#settings.waitingMax)
      return this.#refuseAtIntake(
        key,
        id,
        new MessagingError(
          "BUFFER_FULL",
          `${this.#held} messages (${this.#heldBytes} bytes) are not acknowledged and ${this.#settings.waitingMax} sends wait for room; wait for ready()`,
        ),
      );
    const deadline = this.environment.runtime.now() + this.#settings.sendTimeoutMs;
    const send = new PendingSend(++this.#calls, key, id, slot, deadline);
    send.packedIn(space, length);
    this.#unanswered.push(send);
    if (signal !== undefined) this.#aborts.listen(send, signal);
    if (room) this.#admit(send);
    else this.#waiting.push(send);
    return send.promise;
  }

  /** Messages of one lane are packed one behind another, where it is known which that will be. */
  #spaceFor(slot: number): PackSpace {
    const queue = slot === NO_SLOT ? undefined : this.#view?.table[slot];
    return (queue === undefined ? undefined : this.#lanes[queue]?.buffer.space) ?? this.#space;
  }
  #checkDurability(): void {
    const { durability } = this.#settings;
    const { durabilityMax } = this.connection.welcome;
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
    const send = new PendingSend(++this.#calls, key, typeof id === "string" ? id : null, NO_SLOT, 0);
    send.stage = "gone";
    this.#answerFailed(send, error, "notAppended");
    return send.promise;
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
    this.#heldBytes += send.length;
    if (this.#view !== undefined) this.#deal(send, this.#view);
    else {
      send.stage = "admitted";
      this.#undealt.push(send);
      if (this.#finding === null) void this.#findRoute();
    }
  }
  /** Without a key a message goes to one queue after another; but the same id to the same one, since it is there that a repeat is known. */
  #queueOf({ key, id, slot }: PendingSend, view: TopicView): number {
    if (key === null && id === null) return this.#nextQueue++ % view.spec.queues;
    return view.table[key === null ? slotOf(id as string) : slot] ?? 0;
  }
  #deal(send: PendingSend, view: TopicView): void {
    const queue = this.#queueOf(send, view);
    send.queue = queue;
    const lane = this.#laneOf(queue);
    lane.push(send);
    if (lane.dirty) return;
    lane.dirty = true;
    if (this.#dirty.push(lane) === 1) this.environment.runtime.atTurnEnd(this.#fill);
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

  get #use(): TopicUse {
    return { producer: this.name };
  }
  async #findRoute(): Promise<void> {
    const finding = new AbortController();
    this.#finding = finding;
    try {
      const view = await this.environment.topics.find(this.#definition, this.#use, finding.signal);
      if (this.#ended) return;
      this.#view = view;
      this.#moveTo(this.environment.linkTo(view.home));
      for (let send = this.#undealt.shift(); send !== undefined; send = this.#undealt.shift())
        if (send.stage === "admitted") this.#deal(send, view);
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
    return this.connection.welcome.durabilityMax === "memory" ? "memory" : "flushed";
  }
  routeVersion(): number {
    return this.#view?.route.version ?? 0;
  }
  wrongRoute(): void {
    this.environment.topics.forget(this.topic);
    this.environment.topics.find(this.#definition, this.#use).then(
      (view) => {
        this.#view = view;
      },
      () => {}, // the lane comes back here when it is refused again
    );
  }
  sending(send: PendingSend): void {
    this.#recorder?.sending(send, this.durability());
  }
  appended(send: PendingSend, offset: Offset, duplicate: boolean, logEpoch: number): void {
    const { key, queue } = send;
    const durability = this.durability();
    this.#recorder?.sent(send, { offset, logEpoch, durability, duplicate });
    if (send.answered) return;
    this.#unanswered.answered();
    send.resolve({ topic: this.topic, queue, offset, key, durability, duplicate, orderKept: true });
  }
  /** Its caller has had the receipt; where it came to stand after a crash is for the history to say. */
  appendedAgain(send: PendingSend, offset: Offset, duplicate: boolean, logEpoch: number): void {
    this.#recorder?.sent(send, { offset, logEpoch, durability: this.durability(), duplicate });
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
    this.environment.events.emit({ type: "producer.fenced", producer: this.name, epoch: (epoch ?? 0) as Epoch });
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
    this.#recorder?.tailLost(queue, from, to);
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
      else if (this.#hasRoom(send.length)) this.#admit(send);
      else break;
      this.#waiting.shift();
    }
    this.#unanswered.forgetAnswered();
    if (this.#readyWaits.any && this.#isReady) this.#readyWaits.release(() => true);
    if (this.#flushWaits.any) {
      const oldest = this.#unanswered.oldestCall;
      this.#flushWaits.release((upTo) => upTo < oldest);
    }
    if (this.#unanswered.length === 0 && this.#closing !== null && !this.#ended)
      this.#actor.send({ type: "producer.drained" });
  }

  /* ---------- failing ---------- */

  /** Takes a message out that has no number. */
  #takeBack(send: PendingSend, error: MessagingError): void {
    if (send.stage === "waiting") this.#waitingGone++;
    else this.released(send, send.length);
    if (send.stage === "buffered") this.#lanes[send.queue]?.buffer.remove(send);
    send.stage = "gone";
    send.unpack();
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
    this.#recorder?.refused(send, error.code, outcome);
    if (send.deadline > 0) this.#unanswered.answered();
    const { events } = this.environment;
    events.emit({ type: "send.refused", topic: this.topic, key: send.key, code: error.code as ErrorCode });
    this.#failures.note(send);
    send.reject(error);
  }
  #late(sends: readonly PendingSend[]): void {
    const keys = new Map<string, number>();
    for (const send of sends) {
      if (send.key !== null && !keys.has(send.key)) keys.set(send.key, send.call);
      if (isTakeable(send)) this.#takeBack(send, sendTimeout(this.#settings.sendTimeoutMs));
      else this.#answerFailed(send, outcomeUnknown(sendTimeout(this.#settings.sendTimeoutMs)), "unknown");
    }
    this.#failFollowers(keys);
    this.turned();
  }

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
    if (this.#unanswered.oldestCall <= upTo) await this.#flushWaits.wait(upTo, options);
    const unread = this.#failures.takeUpTo(upTo);
    if (unread.length === 0) return;
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
    const left = this.#unanswered.left();
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

/** It has no number: it can be taken back, and then it was never appended (rule 8). */
const isTakeable = (send: PendingSend): boolean =>
  send.stage === "waiting" || send.stage === "admitted" || send.stage === "buffered";

/** Two producers of one name may live in one client: the second fences the first. */
function uniquePath(environment: ClientEnvironment, path: string): string {
  const taken = new Set(environment.actors.list("producer").map((producer) => producer.path));
  for (let n = 2, candidate = path; ; n++) {
    if (!taken.has(candidate)) return candidate;
    candidate = `${path}#${n}`;
  }
}
