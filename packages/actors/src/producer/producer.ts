import type { CloseOptions, SendArgs, WaitOptions } from "../contracts/options.ts";
import { closeTimeout } from "../contracts/options.ts";
import type { ClientEnvironment } from "../link/client-environment.ts";
import type { Epoch } from "../message/brands.ts";
import { asMessagingError, MessagingError } from "../message/errors.ts";
import type { Receipt } from "../message/message.ts";
import { PackSpace } from "../message/packed.ts";
import { NO_SLOT } from "../message/route.ts";
import type { Keying, Topic } from "../message/topic.ts";
import { Lane } from "./lane.ts";
import type { LaneBuffer } from "./lane-buffer.ts";
import type { PendingSend } from "./pending-send.ts";
import { type ProducerRef, producerMachine } from "./producer.machine.ts";
import type { Producer, ProducerOptions } from "./producer-api.ts";
import { producerSettings } from "./producer-options.ts";
import { ProducerRoute } from "./producer-route.ts";
import type { ProducerScope } from "./producer-scope.ts";
import { aborted } from "./send-errors.ts";
import { SendPacker } from "./send-packer.ts";
import { Sends } from "./sends.ts";

/** Starts a producer. Its sends wait until the topic's route is known. @throws `OPTION_INVALID` */
export function createProducer<In, Out, K extends Keying, O extends boolean>(
  environment: ClientEnvironment,
  topic: Topic<In, Out, K, O>,
  options: ProducerOptions = {},
  onClosed: () => void = () => {},
): Producer<In, K> {
  const settings = producerSettings(options);
  const name = options.name ?? environment.runtime.id();
  const path = uniquePath(environment, `${environment.name}/${topic.name}/${name}`);
  const scope = { environment, topic: topic as unknown as ProducerScope["topic"], name, path, settings };
  return new LiveProducer(scope, onClosed) as Producer<In, K>;
}

/** Packs what is sent and deals it to lanes, one for each queue. */
class LiveProducer implements Producer<unknown, Keying> {
  readonly name: string;
  readonly #scope: ProducerScope;
  readonly #actor: ProducerRef;
  readonly #onClosed: () => void;
  readonly #packer: SendPacker<unknown, unknown>;
  readonly #route: ProducerRoute;
  readonly #sends: Sends;
  readonly #lanes: (Lane | undefined)[] = [];
  /** Lanes with messages that their machines were not told of. */
  #filled: Lane[] = [];
  /** For messages whose lane is not known yet. */
  readonly #space = new PackSpace();
  #fenced: MessagingError | null = null;
  #ended = false;
  #closing: Promise<void> | null = null;
  #closed: (() => void) | null = null;

  constructor(scope: ProducerScope, onClosed: () => void) {
    const { environment, topic, name, path } = scope;
    this.#scope = scope;
    this.name = name;
    this.#onClosed = onClosed;
    this.#packer = new SendPacker(topic);
    this.#actor = environment.actors.start(
      { kind: "producer", path, failed: (error) => this.#end(asMessagingError(error, "CLOSED")) },
      producerMachine,
      {},
    );
    this.#actor.on("producer.closed", () =>
      this.#end(new MessagingError("CLOSED", `producer "${name}" was closed before this was sent`)),
    );
    this.#route = new ProducerRoute(scope, (link) => {
      for (const lane of this.#lanes) lane?.linked(link);
    });
    this.#sends = new Sends(scope, this.#route, {
      deal: (send) => this.#deal(send),
      buffers: () => this.#buffers(),
      bufferOf: (queue) => this.#lanes[queue]?.buffer,
      drained: () => {
        if (this.#closing !== null && !this.#ended) this.#actor.send({ type: "producer.drained" });
      },
    });
  }

  send(body: unknown, ...[options]: SendArgs<Keying>): Promise<Receipt> {
    let key: string | null = null;
    let slot = NO_SLOT;
    let space: PackSpace;
    let length: number;
    const id = options?.id ?? null;
    try {
      this.#requireOpen();
      key = this.#packer.keyOf(body, options);
      if (key !== null) slot = this.#packer.slotOf(key);
      space = this.#spaceFor(slot);
      length = this.#packer.pack(space, body, key, slot, options);
      this.#route.requireTaken(length);
    } catch (error) {
      return this.#sends.refuse(key, id, asMessagingError(error, "SCHEMA_FAILED"));
    }
    const signal = options?.signal;
    if (signal?.aborted === true) return this.#sends.refuse(key, id, aborted(signal));
    return this.#sends.take(space, length, key, id, slot, signal);
  }
  /** @throws `CLOSED` `PRODUCER_FENCED` */
  #requireOpen(): void {
    if (this.#ended || this.#closing !== null) throw new MessagingError("CLOSED", `producer "${this.name}" is closed`);
    if (this.#fenced !== null) throw this.#fenced;
  }
  /** Messages of one lane are packed one behind another, where it is known which that will be. */
  #spaceFor(slot: number): PackSpace {
    const queue = slot === NO_SLOT ? undefined : this.#route.view?.table[slot];
    return (queue === undefined ? undefined : this.#lanes[queue]?.buffer.space) ?? this.#space;
  }

  #deal(send: PendingSend): boolean {
    const { view } = this.#route;
    if (view === undefined) {
      if (!this.#route.isFinding) void this.#findRoute();
      return false;
    }
    send.queue = this.#route.queueOf(send, view);
    const lane = this.#laneOf(send.queue);
    lane.push(send);
    if (lane.isFilled) return true;
    lane.isFilled = true;
    if (this.#filled.push(lane) === 1) this.#scope.environment.runtime.atTurnEnd(this.#fill);
    return true;
  }
  async #findRoute(): Promise<void> {
    try {
      await this.#route.find();
      if (!this.#ended) this.#sends.dealAll();
    } catch (error) {
      if (!this.#ended) this.#sends.failUndealt(asMessagingError(error)); // what is called later asks again
    }
  }
  #laneOf(queue: number): Lane {
    const known = this.#lanes[queue];
    if (known !== undefined) return known;
    const lane = new Lane(this.#scope, this.#route, this.#sends, queue, (epoch, error) =>
      this.#onFenced(queue, epoch, error),
    );
    this.#lanes[queue] = lane;
    return lane;
  }
  *#buffers(): Iterable<LaneBuffer> {
    for (const lane of this.#lanes) if (lane !== undefined) yield lane.buffer;
  }
  /** Once a turn: what was called in it leaves together. */
  readonly #fill = (): void => {
    const lanes = this.#filled;
    this.#filled = [];
    for (const lane of lanes) lane.filled();
  };
  #onFenced(queue: number, epoch: Epoch | null, error: MessagingError): void {
    if (this.#fenced !== null) return;
    this.#fenced = error;
    const { events, logger } = this.#scope.environment;
    events.emit({ type: "producer.fenced", producer: this.name, epoch: (epoch ?? 0) as Epoch });
    const text = `producer "${this.name}" of topic "${this.#scope.topic.name}" was fenced by another of its name`;
    logger.log("error", text, { queue, epoch });
    for (const lane of this.#lanes) lane?.fence(error);
    this.#sends.failUndealt(error);
  }

  async ready(options?: WaitOptions): Promise<void> {
    this.#requireOpen();
    await this.#sends.ready(options);
  }
  flush(options?: WaitOptions): Promise<void> {
    return this.#sends.flush(options);
  }
  close(options: CloseOptions = {}): Promise<void> {
    if (this.#closing !== null) return this.#closing;
    const timeoutMs = closeTimeout(options.timeoutMs);
    this.#closing = new Promise((resolve) => {
      this.#closed = resolve;
    });
    if (this.#ended) this.#closed?.();
    else this.#actor.send({ type: "producer.close", timeoutMs, isDrained: this.#sends.isDrained });
    return this.#closing;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
  #end(error: MessagingError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#route.stop();
    const left = this.#sends.failLeft(error);
    if (left > 0) {
      const text = `producer "${this.name}" was closed with ${left} sends under way`;
      this.#scope.environment.logger.log("warn", text, { topic: this.#scope.topic.name, sends: left });
    }
    for (const lane of this.#lanes) lane?.stop();
    this.#sends.end(error);
    this.#onClosed();
    this.#closed?.();
  }
}

/** Two producers of one name may live in one client: the second fences the first. */
function uniquePath(environment: ClientEnvironment, path: string): string {
  const taken = new Set(environment.actors.list("producer").map((producer) => producer.path));
  for (let n = 2, candidate = path; ; n++) {
    if (!taken.has(candidate)) return candidate;
    candidate = `${path}#${n}`;
  }
}
