import { type Observable, ReplaySubject } from "rxjs";
import { vi } from "vitest";
import type { Right } from "../contracts/auth.ts";
import type { IncomingLink, Link, LinkCode, LinkEnd, Principal, Transport } from "../contracts/transport.ts";
import { sequence } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import { concatBytes } from "../message/packed.ts";
import { type TopicSpec, topicSpec } from "../message/topic.ts";
import { AnswerParts } from "../protocol/answer-parts.ts";
import { FaultyFrame } from "../protocol/faulty-frame.fixture.ts";
import type { Answer, BrokerFrame, ClientFrame, MemberJoin } from "../protocol/frames.ts";
import { binaryCodec, type Codec, type Codecs, changedFrames } from "../protocol/index.ts";
import { PROTOCOL_VERSIONS } from "../protocol/version.ts";
import { message } from "../queue/queue.fixture.ts";
import { DrainWaits } from "../runtime/drain-waits.ts";
import { type SimulatedRuntime, simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { MemoryDisk } from "../store/memory-disk.ts";
import { createMemoryStore } from "../store/memory-store.ts";
import type { Store } from "../store/store.ts";
import { type Broker, startBroker } from "./broker.ts";
import type { BrokerSettings } from "./broker-settings.ts";

/** One end of a link inside a test: packets arrive a microtask later. */
class TestLink implements IncomingLink {
  readonly principal: Principal;
  readonly remote = "test";
  readonly packets = new ReplaySubject<Uint8Array>();
  readonly frames$: Observable<Uint8Array> = this.packets;
  #kept: Uint8Array[] | null = null;
  /** How often its reader has held back. */
  pauses = 0;
  pause(): void {
    this.pauses++;
    this.#kept ??= [];
  }
  resume(): void {
    void Promise.resolve().then(() => {
      const kept = this.#kept ?? [];
      this.#kept = null;
      for (const packet of kept) this.#arrive(packet);
    });
  }
  get isPaused(): boolean {
    return this.#kept !== null;
  }
  #arrive(packet: Uint8Array): void {
    if (this.#kept !== null) this.#kept.push(packet);
    else if (this.end === null) this.packets.next(packet);
  }
  #bufferedBytes = 0;
  readonly #drains = new DrainWaits();
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }
  set bufferedBytes(bytes: number) {
    this.#bufferedBytes = bytes;
    void Promise.resolve().then(() => this.#drains.look(this.#bufferedBytes));
  }
  whenDrained(bytes: number, drained: () => void): void {
    this.#drains.add(bytes, drained);
    void Promise.resolve().then(() => this.#drains.look(this.bufferedBytes));
  }
  peer!: TestLink;
  end: LinkEnd | null = null;
  #resolve!: (end: LinkEnd) => void;
  readonly ended = new Promise<LinkEnd>((resolve) => {
    this.#resolve = resolve;
  });
  constructor(principal: string | Principal) {
    this.principal = typeof principal === "string" ? { id: principal } : principal;
  }
  send(frame: Uint8Array): void {
    if (this.end === null) void Promise.resolve().then(() => this.peer.#arrive(frame));
  }
  close(code: LinkCode = "normal", reason = ""): void {
    for (const side of [this, this.peer]) void Promise.resolve().then(() => side.finish({ code, reason }));
  }
  abort(): void {
    for (const side of [this, this.peer]) side.finish({ code: "lost" as LinkCode, reason: "" });
  }
  finish(end: LinkEnd): void {
    if (this.end !== null) return;
    this.end = end;
    this.packets.complete();
    this.#resolve(end);
  }
}

/** The store, but for what is replaced. */
export const changedStore = (store: Store, changes: Partial<Store>): Store =>
  new Proxy(store, {
    get: (_, name) => {
      const value: unknown = Reflect.get(name in changes ? changes : store, name, store);
      return typeof value === "function" ? value.bind(store) : value;
    },
  });

export interface BenchOptions {
  readonly disk?: MemoryDisk;
  readonly runtime?: SimulatedRuntime;
  readonly topics?: readonly TopicSpec[];
  readonly authorize?: (right: Right, principal: string) => boolean;
  /** @default true */
  readonly authenticates?: boolean;
  /** What the broker speaks. */
  readonly codecs?: Codecs;
  /** What else it is told. */
  readonly settings?: Partial<BrokerSettings>;
  readonly sliceFrames?: number;
  /** Where the broker listens. @default where clients of the bench come in */
  readonly transports?: (own: Transport) => readonly Transport[];
  /** What the broker gets in the store's place. */
  readonly store?: (store: Store) => Store;
}
/** A broker on a simulated clock, with links that speak real frames. */
export class BrokerBench {
  readonly runtime: SimulatedRuntime;
  readonly disk: MemoryDisk;
  broker!: Broker;
  accept!: (link: IncomingLink) => void;
  readonly told: string[] = [];
  readonly logged: string[] = [];
  /** The same, with what went with it. */
  readonly entries: {
    readonly level: string;
    readonly text: string;
    readonly data: Readonly<Record<string, unknown>>;
  }[] = [];
  /** When clients of this bench have dialled, virtual ms. */
  readonly dialledAt: number[] = [];

  private constructor(options: BenchOptions) {
    this.runtime = options.runtime ?? simulatedRuntime({ seed: 7 });
    this.disk = options.disk ?? new MemoryDisk({ runtime: this.runtime });
  }
  static async start(options: BenchOptions = {}): Promise<BrokerBench> {
    const bench = new BrokerBench(options);
    const transport: Transport = {
      dial: () => Promise.reject(new MessagingError("UNAVAILABLE", "dial by hand")),
      listen: async () => {
        const links = new ReplaySubject<IncomingLink>();
        bench.accept = (link) => links.next(link);
        const close = async () => links.complete();
        return { links$: links, address: "test", close, [Symbol.asyncDispose]: close };
      },
    };
    const { runtime, disk } = bench;
    bench.broker = await startBroker(
      { topics: options.topics ?? [topicSpec({ name: "t", queues: 2 })], ...options.settings },
      {
        transports: options.transports?.(transport) ?? [transport],
        runtime,
        store: (options.store ?? ((store) => store))(createMemoryStore({ runtime, disk })),
        authenticator: { authenticate: async () => ({ id: "anybody" }) },
        authenticates: options.authenticates ?? true,
        authorizer: { authorize: ({ id }, right) => options.authorize?.(right, id) ?? true },
        logger: {
          log: (level, text, data) => {
            bench.logged.push(`${level}: ${text}`);
            bench.entries.push({ level, text, data: data as Readonly<Record<string, unknown>> });
          },
        },
        ...(options.codecs === undefined ? {} : { codecs: options.codecs }),
        ...(options.sliceFrames === undefined ? {} : { sliceFrames: options.sliceFrames }),
      },
    );
    bench.broker.events$.subscribe((event) => bench.told.push(event.type));
    return bench;
  }
  /** What real clients dial with. */
  readonly transport: Transport = this.transportOf("somebody");
  transportOf(principal: string): Transport {
    return {
      dial: async () => {
        this.dialledAt.push(this.runtime.now());
        return this.#pair(principal)[0];
      },
    };
  }
  #pair(principal: string | Principal): readonly [ours: TestLink, theirs: TestLink] {
    const ours = new TestLink(principal);
    const theirs = new TestLink(principal);
    ours.peer = theirs;
    theirs.peer = ours;
    this.accept(theirs);
    this.links.push(ours);
    return [ours, theirs];
  }
  /** Links so far, at their dialling ends. */
  readonly links: TestLink[] = [];
  #poisoned: ((frame: ClientFrame) => ClientFrame) | null = null;
  /** From now on, whatever of this type comes to the broker throws at the first look into it. */
  poison(type: ClientFrame["type"]): void {
    if (this.#poisoned !== null) return;
    const reader = binaryCodec.reader.bind(binaryCodec);
    this.#poisoned = (frame) => (frame.type === type ? new FaultyFrame(1).wrap(frame) : frame);
    vi.spyOn(binaryCodec, "reader").mockImplementation((packet) =>
      changedFrames(reader(packet), (frame) => this.#poisoned?.(frame) ?? frame),
    );
  }
  cure(): void {
    this.#poisoned = null;
    vi.restoreAllMocks();
  }
  /** A link without a hello. */
  dial(principal: string | Principal = "somebody", codec: Codec = binaryCodec): TestClient {
    const [ours, theirs] = this.#pair(principal);
    return new TestClient(this, ours, theirs, codec);
  }
  async client(
    instance: string,
    link = 1,
    principal = "somebody",
    ordinal: number | null = null,
    codec: Codec = binaryCodec,
  ): Promise<TestClient> {
    const client = this.dial(principal, codec);
    client.instance = instance;
    await client.say({ type: "hello", versions: PROTOCOL_VERSIONS, instance, link, client: instance, ordinal });
    return client;
  }
}

export class TestClient {
  readonly bench: BrokerBench;
  readonly link: Link & { end: LinkEnd | null };
  readonly theirs: TestLink;
  /** Of what its link speaks, once it was welcomed. */
  codec: Codec;
  instance = "";
  /** What came; an answer in parts once it is whole. */
  readonly frames: BrokerFrame[] = [];
  /** Answers as they came. */
  readonly parts: Answer[] = [];
  readonly #asked = new Map<number, AnswerParts>();
  /** The same as they came. */
  readonly packets: Uint8Array[] = [];
  #requests = 0;
  constructor(bench: BrokerBench, link: TestLink, theirs: TestLink, codec: Codec) {
    this.bench = bench;
    this.link = link;
    this.theirs = theirs;
    this.codec = codec;
    link.frames$.subscribe((packet) => {
      this.packets.push(packet);
      for (const frame of this.codec.decode(packet) as BrokerFrame[]) {
        const parts = frame.type === "answer" ? this.#asked.get(frame.request) : undefined;
        const whole = parts === undefined ? frame : parts.add(frame as Answer);
        if (frame.type === "answer") this.parts.push(frame);
        if (whole !== null) this.frames.push(whole);
        if (frame.type === "welcome") this.codec = codec.at(frame.version);
      }
    });
  }
  async say(...frames: ClientFrame[]): Promise<void> {
    for (const frame of frames)
      if (frame.type === "ask") this.#asked.set(frame.request, new AnswerParts(frame.question.kind, this.codec));
    this.link.send(this.codec.encode(frames));
    await this.bench.runtime.settle();
  }
  next(): number {
    return ++this.#requests;
  }
  all<T extends BrokerFrame["type"]>(type: T): Extract<BrokerFrame, { readonly type: T }>[] {
    return this.frames.filter((frame) => frame.type === type) as Extract<BrokerFrame, { readonly type: T }>[];
  }
  last<T extends BrokerFrame["type"]>(type: T): Extract<BrokerFrame, { readonly type: T }> {
    const found = this.all(type).at(-1);
    if (found === undefined)
      throw new Error(`no "${type}" came, but ${this.frames.map((frame) => frame.type).join(", ")}`);
    return found;
  }
  async join(name: string, rest: Partial<MemberJoin> = {}): Promise<void> {
    await this.say(this.joinFrame(name, rest));
  }
  joinFrame(name: string, rest: Partial<MemberJoin> = {}): MemberJoin {
    return {
      type: "member.join",
      request: this.next(),
      member: 1,
      topic: "t",
      group: "g",
      name,
      settings: { exhausted: "park", attempts: 3, startAt: "earliest" },
      concurrency: 1,
      leaseTtlMs: 10_000,
      revokeTimeoutMs: 2_000,
      allocation: "sticky",
      invisibleMs: 5_000,
      retry: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
      ...rest,
    };
  }
  /** Queues offered so far. */
  get offered(): number[] {
    return this.all("lease.offered").map((offer) => offer.queue);
  }
  async acquire(queue: number): Promise<void> {
    await this.say({ type: "lease.acquire", request: this.next(), member: 1, queue, resume: null });
  }
  async produce(keys: readonly string[], queue: number, { topic = "t", lane = 1 } = {}): Promise<void> {
    await this.say({
      type: "lane.open",
      request: this.next(),
      lane,
      topic,
      queue,
      producer: "p",
      epoch: null,
      routeVersion: 1,
    });
    const { epoch } = this.last("lane.opened");
    const messages = concatBytes(keys.map((key) => message(key)));
    await this.say({
      type: "batch.append",
      lane,
      epoch,
      sequence: sequence(0),
      count: keys.length,
      durability: "memory",
      messages,
    });
  }
}
