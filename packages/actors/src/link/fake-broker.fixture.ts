import { Subject } from "rxjs";
import type { DialOptions, Link, LinkCode, LinkEnd, Transport } from "../contracts/transport.ts";
import { type Durability, type Epoch, type Offset, offset, type Sequence } from "../message/brands.ts";
import { type ErrorCode, type ErrorData, MessagingError } from "../message/errors.ts";
import { PackedReader } from "../message/packed.ts";
import { evenRuns } from "../message/route.ts";
import { type TopicSpec, topicSpec } from "../message/topic.ts";
import type { Codec } from "../protocol/codec.ts";
import type { AppendedRun, BatchAppend, ClientFrame, Frame, Hello, LaneOpen, Welcome } from "../protocol/frames.ts";
import { binaryCodec } from "../protocol/index.ts";
import type { Answers, Question } from "../protocol/questions.ts";
import type { SimulatedRuntime } from "../runtime/simulated-runtime.ts";

/** A message as the fake queue has it. */
export interface Logged {
  readonly key: string | null;
  readonly id: string | null;
  readonly producer: string;
  readonly bytes: Uint8Array;
}
interface ProducerState {
  epoch: number;
  instance: string;
  next: number;
  /** Offset of each sequence of this epoch. */
  offsets: number[];
}
interface FakeQueue {
  log: Logged[];
  epochs: number;
  producers: Map<string, ProducerState>;
  /** Everything below is flushed. */
  flushed: number;
}
type Verdict = { readonly code: ErrorCode; readonly retryAfterMs?: number } | null;

/** A broker in a few lines, as the frames' comments describe it, with handles to make it misbehave. */
export class FakeBroker {
  readonly runtime: SimulatedRuntime;
  readonly codec: Codec;
  readonly queues = new Map<string, FakeQueue>();
  readonly topics = new Map<string, TopicSpec>();
  readonly sessions: FakeSession[] = [];
  readonly tokens: (string | null)[] = [];
  readonly hellos: Hello[] = [];
  /** Frames of all sessions, in order. */
  readonly frames: ClientFrame[] = [];
  dials = 0;
  latencyMs = 0;
  /** What dialling does: `null` opens a link, an error refuses it, "hang" never answers. */
  onDial: () => MessagingError | "hang" | null = () => null;
  welcome: Partial<Welcome> = {};
  /** Refuses a batch. */
  onBatch: (batch: BatchAppend, queue: number) => Verdict | "silent" = () => null;
  onLaneOpen: (open: LaneOpen) => Verdict = () => null;
  /** Swallows a frame of a client. */
  ignores: (frame: ClientFrame) => boolean = () => false;
  onAsk: (question: Question) => Answers[keyof Answers] | MessagingError | "silent" = () => null;
  /** `memory` receipts come before anything is flushed; `flush()` moves it up. */
  autoFlush = true;

  constructor(
    runtime: SimulatedRuntime,
    options: { readonly topics?: readonly TopicSpec[]; readonly codec?: Codec } = {},
  ) {
    this.runtime = runtime;
    this.codec = options.codec ?? binaryCodec;
    for (const spec of options.topics ?? [])
      this.topics.set(spec.name, topicSpec({ name: spec.name, queues: spec.queues, ordered: spec.ordered }));
  }

  readonly transport: Transport = {
    dial: (options) => this.#dial(options),
    backoff: { initialMs: 100, maxMs: 1_000 },
  };
  #dial({ signal, token }: DialOptions): Promise<Link> {
    this.dials++;
    this.tokens.push(token);
    const verdict = this.onDial();
    if (verdict === "hang")
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    if (verdict !== null) return Promise.reject(verdict);
    const session = new FakeSession(this);
    this.sessions.push(session);
    return Promise.resolve(session.clientSide);
  }
  get live(): FakeSession[] {
    return this.sessions.filter((session) => !session.over);
  }
  /** Cuts every link: what was on its way is lost. */
  cut(): void {
    for (const session of this.live) session.cut();
  }
  queue(topic: string, index: number): FakeQueue {
    const name = `${topic}/${index}`;
    let queue = this.queues.get(name);
    if (queue === undefined) {
      queue = { log: [], epochs: 0, producers: new Map(), flushed: 0 };
      this.queues.set(name, queue);
    }
    return queue;
  }
  /** Every message of a topic, queue by queue. */
  log(topic: string): Logged[] {
    return [...this.queues].filter(([name]) => name.startsWith(`${topic}/`)).flatMap(([, queue]) => queue.log);
  }
  idsByKey(topic: string): Map<string | null, (string | null)[]> {
    const ids = new Map<string | null, (string | null)[]>();
    for (const { key, id } of this.log(topic)) ids.set(key, [...(ids.get(key) ?? []), id]);
    return ids;
  }
  /** A crash: each queue loses what was not flushed, with the producers' sequences; links are cut. */
  crash(): void {
    this.cut();
    for (const queue of this.queues.values()) {
      queue.log.length = Math.min(queue.log.length, queue.flushed);
      for (const producer of queue.producers.values()) {
        producer.offsets = producer.offsets.filter((at) => at < queue.flushed);
        producer.next = producer.offsets.length;
      }
    }
  }
  /** A flush: memory lanes may let go. */
  flush(): void {
    for (const queue of this.queues.values()) queue.flushed = queue.log.length;
    for (const session of this.live) session.tellKept();
  }
  spec(topic: string): TopicSpec | undefined {
    return this.topics.get(topic);
  }
}

interface FakeLane {
  readonly queue: FakeQueue;
  readonly index: number;
  readonly producer: string;
  readonly epoch: number;
}

export class FakeSession {
  readonly #broker: FakeBroker;
  readonly #toClient = new Subject<Uint8Array>();
  readonly clientSide: Link;
  #onEnded!: (end: LinkEnd) => void;
  over = false;
  /** How the client closed it. */
  closedWith: { readonly code: LinkCode; readonly reason: string } | null = null;
  instance = "";
  readonly received: ClientFrame[] = [];
  readonly #lanes = new Map<number, FakeLane>();
  readonly #due = { up: 0, down: 0 };

  constructor(broker: FakeBroker) {
    this.#broker = broker;
    const ended = new Promise<LinkEnd>((resolve) => {
      this.#onEnded = resolve;
    });
    this.clientSide = {
      frames$: this.#toClient.asObservable(),
      send: (packet) => {
        if (this.over) return;
        const copy = packet.slice();
        this.#travel("up", () => this.#receive(copy));
      },
      bufferedBytes: 0,
      whenDrained: () => {},
      pause: () => {},
      resume: () => {},
      close: (code = "normal", reason = "") => {
        this.closedWith = { code, reason };
        this.#end({ code, reason });
      },
      abort: () => this.#end({ code: "lost", reason: "aborted" }),
      ended,
    };
  }
  /** Later, in order, and not at all when the link has ended by then. */
  #travel(way: "up" | "down", arrive: () => void): void {
    const { runtime, latencyMs } = this.#broker;
    const land = () => {
      if (!this.over) arrive();
    };
    if (latencyMs === 0) {
      runtime.defer(land);
      return;
    }
    const due = Math.max(this.#due[way], runtime.now() + latencyMs * (0.5 + runtime.random()));
    this.#due[way] = due;
    runtime.setTimeout(land, due - runtime.now());
  }
  cut(end: LinkEnd = { code: "lost", reason: "cut" }): void {
    this.#end(end);
  }
  #end(end: LinkEnd): void {
    if (this.over) return;
    this.over = true;
    this.#onEnded(end);
    this.#toClient.complete();
  }
  send(...frames: Frame[]): void {
    this.sendBytes(this.#broker.codec.encode(frames));
  }
  sendBytes(packet: Uint8Array): void {
    this.#travel("down", () => this.#toClient.next(packet));
  }
  tellKept(): void {
    for (const [lane, { queue, producer, epoch }] of this.#lanes) {
      const state = queue.producers.get(producer);
      if (state?.epoch === epoch)
        this.send({ type: "lane.kept", lane, epoch: epoch as Epoch, kept: keptOf(state, queue) });
    }
  }

  #receive(packet: Uint8Array): void {
    for (const frame of this.#broker.codec.decode(packet) as ClientFrame[]) {
      this.received.push(frame);
      this.#broker.frames.push(frame);
      if (!this.#broker.ignores(frame)) this.#handle(frame);
    }
  }
  #refuse(request: number, code: ErrorCode, data: ErrorData = {}): void {
    this.send({ type: "refused", request, error: { code, message: `fake: ${code}`, data } });
  }
  #handle(frame: ClientFrame): void {
    switch (frame.type) {
      case "hello": {
        this.instance = frame.instance;
        this.#broker.hellos.push(frame);
        for (const other of this.#broker.live) if (other !== this && other.instance === frame.instance) other.cut();
        this.send({
          type: "welcome",
          version: Math.max(...this.#broker.codec.versions),
          brokerId: "b1",
          broker: "fake",
          frameBytesMax: 4 * 1024 * 1024,
          messageBytesMax: 1024 * 1024,
          inFlightBatchesMax: 8,
          heartbeatMs: 3_000,
          leaseTtlMsMax: 60_000,
          durabilityMax: "synced",
          ordinal: frame.ordinal ?? 1,
          ...this.#broker.welcome,
        });
        return;
      }
      case "topic.find": {
        const spec = this.#broker.spec(frame.topic);
        if (spec === undefined) this.#refuse(frame.request, "TOPIC_UNKNOWN");
        else
          this.send({
            type: "topic.found",
            request: frame.request,
            spec,
            route: {
              topic: spec.name,
              version: 1,
              ordered: spec.ordered,
              homes: Array.from({ length: spec.queues }, () => "b1"),
              runs: evenRuns(spec.queues),
            },
          });
        return;
      }
      case "lane.open":
        this.#openLane(frame);
        return;
      case "lane.close":
        this.#lanes.delete(frame.lane);
        return;
      case "batch.append":
        this.#append(frame);
        return;
      case "heartbeat":
        this.send({
          type: "heartbeat.answered",
          beat: frame.beat,
          renewed: frame.leases.map((lease) => ({ ...lease, ttlMs: 10_000 })),
          ended: [],
        });
        return;
      case "ask": {
        const answer = this.#broker.onAsk(frame.question);
        if (answer === "silent") return;
        if (answer instanceof MessagingError) this.#refuse(frame.request, answer.code, answer.data);
        else this.send({ type: "answer", request: frame.request, answer });
        return;
      }
      case "goodbye":
        this.cut();
        return;
      default:
        throw new Error(`the fake broker does not know ${frame.type}`);
    }
  }
  #openLane(frame: LaneOpen): void {
    const refused = this.#broker.onLaneOpen(frame);
    if (refused !== null) {
      this.#refuse(frame.request, refused.code);
      return;
    }
    const queue = this.#broker.queue(frame.topic, frame.queue);
    let state = queue.producers.get(frame.producer);
    if (frame.epoch === null) {
      state = { epoch: ++queue.epochs, instance: this.instance, next: 0, offsets: [] };
      queue.producers.set(frame.producer, state);
    } else if (state === undefined) {
      this.#refuse(frame.request, "PRODUCER_UNKNOWN");
      return;
    } else if (state.epoch !== frame.epoch || state.instance !== this.instance) {
      this.#refuse(frame.request, "PRODUCER_FENCED");
      return;
    }
    this.#lanes.set(frame.lane, { queue, index: frame.queue, producer: frame.producer, epoch: state.epoch });
    this.send({
      type: "lane.opened",
      request: frame.request,
      lane: frame.lane,
      epoch: state.epoch as Epoch,
      expected: state.next as Sequence,
      logEpoch: 1,
    });
  }
  #append(batch: BatchAppend): void {
    const lane = this.#lanes.get(batch.lane);
    if (lane === undefined) throw new Error(`batch on lane ${batch.lane}, which is not open`);
    const { queue } = lane;
    const state = queue.producers.get(lane.producer);
    const refuse = (code: ErrorCode, expected: number | null = null, retryAfterMs: number | null = null) =>
      this.send({
        type: "batch.refused",
        lane: batch.lane,
        epoch: batch.epoch,
        sequence: batch.sequence,
        error: { code, message: `fake: ${code}`, data: {} },
        expected: expected as Sequence | null,
        retryAfterMs,
      });
    const verdict = this.#broker.onBatch(batch, lane.index);
    if (verdict === "silent") return;
    if (verdict !== null) {
      refuse(
        verdict.code,
        verdict.code === "OUT_OF_SEQUENCE" ? (state?.next ?? 0) : null,
        verdict.retryAfterMs ?? null,
      );
      return;
    }
    if (state === undefined) {
      refuse("PRODUCER_UNKNOWN");
      return;
    }
    if (state.epoch !== batch.epoch) {
      refuse("PRODUCER_FENCED");
      return;
    }
    if (batch.sequence > state.next) {
      refuse("OUT_OF_SEQUENCE", state.next);
      return;
    }
    const reader = new PackedReader(batch.messages);
    const runs: { count: number; offset: Offset; duplicate: boolean }[] = [];
    for (let index = 0; index < batch.count; index++) {
      if (!reader.next()) throw new Error("fewer messages than the batch says");
      const at = batch.sequence + index;
      const duplicate = at < state.next;
      if (!duplicate) {
        state.offsets.push(queue.log.length);
        queue.log.push({ key: reader.key, id: reader.id, producer: lane.producer, bytes: reader.message.slice() });
        state.next++;
      }
      const place = state.offsets[at] as number;
      const last = runs.at(-1);
      if (last !== undefined && last.duplicate === duplicate && last.offset + last.count === place) last.count++;
      else runs.push({ count: 1, offset: offset(place), duplicate });
    }
    if (this.#broker.autoFlush || (batch.durability as Durability) !== "memory") queue.flushed = queue.log.length;
    this.send({
      type: "batch.appended",
      lane: batch.lane,
      epoch: batch.epoch,
      sequence: batch.sequence,
      count: batch.count,
      runs: runs as readonly AppendedRun[],
      kept: keptOf(state, queue),
    });
  }
}
const keptOf = (state: ProducerState, queue: FakeQueue): Sequence =>
  state.offsets.filter((at) => at < queue.flushed).length as Sequence;
