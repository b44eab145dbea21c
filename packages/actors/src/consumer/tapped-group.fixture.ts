// A consumer of a real broker with a tap between them, messages to consume, and handlers that a test ends by hand.
import type { Client } from "../client/client-api.ts";
import type { SendOptions } from "../contracts/options.ts";
import type { Tap } from "../link/tap.fixture.ts";
import { TappedBroker, type TappedOptions } from "../link/tapped-broker.fixture.ts";
import { SLOTS, slotOf } from "../message/route.ts";
import { type Topic, topic, typed } from "../message/topic.ts";
import type { Producer } from "../producer/producer-api.ts";
import type { LeaseEnded, LeaseGranted } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { SimulatedRuntime } from "../runtime/simulated-runtime.ts";
import type { Consumer, Context, Handler, OrderedConsumerOptions, UnorderedConsumerOptions } from "./consumer-api.ts";

export interface Move {
  readonly game: string;
  readonly n: number;
}
/** A key of each of two queues. */
export const [LOW, HIGH] = [true, false].map((isLow) =>
  [..."abcdefghij"].find((key) => slotOf(key) < SLOTS / 2 === isLow),
) as [string, string];

export const movesTopic = (queues = 1) =>
  topic("moves", { schema: typed<Move>(), key: (body) => body.game, encoding: "json", queues });
export const mails = topic("mails", { schema: typed<Move>(), key: null, ordered: false, encoding: "json", queues: 1 });
export const board = topic("board", { schema: typed<string>(), key: "send", queues: 1 });

/** Group "g" of topic "moves" (or of "mails", which has no order), and one client of it. */
export class TappedGroup {
  readonly broker: TappedBroker;
  readonly runtime: SimulatedRuntime;
  readonly tap: Tap;
  readonly client: Client;
  readonly moves: ReturnType<typeof movesTopic>;
  readonly #keyed: Producer<unknown, "given">;
  readonly #mails: Producer<unknown, "given">;

  private constructor(broker: TappedBroker, client: Client, other: Client, queues: number) {
    this.broker = broker;
    this.runtime = broker.runtime;
    this.tap = broker.tap;
    this.client = client;
    this.moves = movesTopic(queues);
    const keyed = { schema: typed<unknown>(), key: "send", encoding: "json", bufferMessagesMax: 100_000 } as const;
    this.#keyed = other.producer(topic("moves", { ...keyed, queues }));
    this.#mails = other.producer(topic("mails", { ...keyed, ordered: false, queues: 1 }));
  }
  static async start(options: TappedOptions & { readonly queues?: number } = {}): Promise<TappedGroup> {
    const { queues = 1, topics = [], ...rest } = options;
    const broker = await TappedBroker.start({ ...rest, topics: [movesTopic(queues), mails, board, ...topics] });
    broker.tap.backoff = { initialMs: 10, maxMs: 10 };
    const client = await broker.connect({ name: "client" });
    return new TappedGroup(broker, client, await broker.beside(), queues);
  }

  /* ---------- messages ---------- */

  /** Sends messages of these names, past the tap: "a1" is move 1 of game "a". */
  fill(names: string): void {
    for (const name of names.split(" ")) {
      const game = name[0] ?? "";
      this.send(game, { game, n: Number(name.slice(1)) });
    }
  }
  send(key: string, body: unknown, options: Omit<SendOptions, "key"> = {}): void {
    void this.#keyed.send(body, { ...options, key });
  }
  async sendUnkeyed(body: Move): Promise<void> {
    const { moves } = this;
    const unkeyed = topic("moves", { schema: typed<Move>(), key: null, encoding: "json", queues: moves.queues });
    void (await this.broker.beside()).producer(unkeyed).send(body);
    await this.runtime.settle();
  }
  async mail(count: number): Promise<void> {
    const unkeyed = (await this.broker.beside()).producer(mails);
    for (let n = 0; n < count; n++)
      void (n % 2 === 0 ? this.#mails.send({ game: "", n }, { key: "same" }) : unkeyed.send({ game: "", n }));
    await this.runtime.settle();
  }

  /* ---------- the consumer ---------- */

  consume(
    options: Partial<OrderedConsumerOptions> = {},
    of: Topic<never, unknown> = this.moves as never,
  ): Consumer<Move> {
    const settings = { group: "g", name: "c", retry: { jitter: 0 }, ...options };
    return this.client.consumer(of, settings as never) as unknown as Consumer<Move>;
  }
  consumeMails(options: Partial<UnorderedConsumerOptions> = {}) {
    return this.client.consumer(mails, { group: "g", name: "c", ...options });
  }
  /** What each worker is at. */
  get workers(): (string | undefined)[] {
    return this.client.actors.list("worker").map(({ state }) => state);
  }
  /** Actors of the client but for its connection. */
  get actors(): string[] {
    return this.client.actors.list().flatMap(({ kind }) => (kind === "connection" ? [] : [kind]));
  }

  /* ---------- the broker ---------- */

  settled(queue = 0): Promise<number[]> {
    return this.broker.settled(this.moves, queue);
  }
  async account(queue = 0): Promise<QueueAccount> {
    return (await this.broker.account(this.moves))[queue] as QueueAccount;
  }
  /** Offsets that are set aside. */
  async aside(queue = 0): Promise<number[]> {
    const { parked, deadLettered } = await this.account(queue);
    return [...parked, ...deadLettered].sort((a, b) => a - b);
  }
  /** Epochs of leases that were given back. */
  get released(): number[] {
    return this.tap.received("lease.released").map(({ epoch }) => epoch);
  }
  /** Somebody orders what is parked of a key to be run again. */
  async redrive(key: string): Promise<void> {
    const { admin } = await this.broker.beside();
    await this.runtime.run(admin.setAside(this.moves, { group: "g" }).redrive(key, { reason: "mended" }));
    await this.runtime.advance(10);
  }
  granted(queue = 0): LeaseGranted {
    return this.tap.received("lease.granted").findLast((grant) => grant.queue === queue) as LeaseGranted;
  }
  /** Tells the consumer that its lease is over. The broker thinks otherwise until the next heartbeat. */
  end(queue = 0, reason: LeaseEnded["reason"] = "expired"): void {
    const { member, epoch } = this.granted(queue);
    this.tap.insert({ type: "lease.ended", member, queue, epoch, reason });
  }
  /** From now on queues are offered to others, who do nothing with them. */
  offerElsewhere(): void {
    this.tap.on("lease.offered", () => null);
  }
  /** Asks the consumer to give its lease back. */
  revoke(withinMs: number, queue = 0): void {
    const { member, epoch } = this.granted(queue);
    this.tap.insert({ type: "lease.revoke", member, queue, epoch, withinMs });
  }
  /** Cuts the link, and lets no other come about until what this returns is awaited: then there is one again. */
  away(): () => Promise<void> {
    const { tap } = this;
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    tap.onDial = () => gate;
    tap.cut();
    return async () => {
      tap.onDial = () => null;
      open();
      await this.runtime.run(tap.next("welcome"));
      await this.runtime.settle();
    };
  }
}

/**
 * Handlers that wait for a test to end them, and a log of what started ("+a1") and, with `ends`, ended ("-a1").
 * `fenced`: each with the epoch that it runs under.
 */
export function byHand({ fenced = false, ends = false } = {}) {
  const log: string[] = [];
  const running = new Map<
    string,
    { readonly resolve: () => void; readonly reject: (error: unknown) => void; readonly context: Context }
  >();
  const handler: Handler<Move> = (message, context) =>
    new Promise<void>((resolve, reject) => {
      const name = `${message.key ?? ""}${message.body.n}${fenced ? `/${context.fence}` : ""}`;
      log.push(`+${name}`);
      const end = (how: () => void) => () => {
        if (ends) log.push(`-${name}`);
        running.delete(name);
        how();
      };
      running.set(name, { resolve: end(resolve), reject: (error) => end(() => reject(error))(), context });
    });
  return { log, running, handler };
}
