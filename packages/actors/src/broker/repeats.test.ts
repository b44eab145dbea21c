import { describe, expect, it } from "vitest";
import { type Epoch, offset } from "../message/brands.ts";
import { type TopicSpec, topicSpec } from "../message/topic.ts";
import type { AsidePut, BrokerFrame, LeaseResume, RedrivenId, Settlement } from "../protocol/frames.ts";
import type { AsideChanged, AsideListed, Question, QueueAccount } from "../protocol/questions.ts";
import { failure, message, settlement } from "../queue/queue.fixture.ts";
import { BrokerBench, type TestClient } from "./broker.fixture.ts";

type Order =
  | { readonly kind: "aside.retry" | "aside.skip"; readonly entry: string }
  | { readonly kind: "aside.replace"; readonly entry: string; readonly message: Uint8Array }
  | { readonly kind: "aside.redrive" | "aside.discard"; readonly key: string };

/** The holder of the one queue of a topic, whose link breaks; and a person, who gives orders meanwhile. */
class Scene {
  readonly bench: BrokerBench;
  readonly person: TestClient;
  holder!: TestClient;
  epoch = 0 as Epoch;
  #links = 0;
  #producers = 0;
  private constructor(bench: BrokerBench, person: TestClient) {
    this.bench = bench;
    this.person = person;
  }
  static async start(keys: readonly string[], spec: Partial<TopicSpec> = {}): Promise<Scene> {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, ...spec })] });
    const scene = new Scene(bench, await bench.client("person"));
    await scene.produce(keys);
    await scene.#link();
    await bench.runtime.advance(0);
    await scene.take();
    return scene;
  }
  async #link(): Promise<void> {
    const ordinal = this.#links === 0 ? null : this.holder.last("welcome").ordinal;
    this.holder = await this.bench.client("holder", ++this.#links, "somebody", ordinal);
    await this.holder.join("holder");
  }
  /** Takes the lease that is offered, with room for everything. */
  async take(): Promise<void> {
    await this.holder.acquire(0);
    this.epoch = this.holder.last("lease.granted").epoch;
    await this.credit();
  }
  credit(): Promise<void> {
    return this.holder.say({ type: "credit", member: 1, queue: 0, epoch: this.epoch, messages: 1_000, bytes: 1e6 });
  }
  async produce(keys: readonly string[]): Promise<void> {
    const producer = await this.bench.client(`producer-${++this.#producers}`);
    await producer.produce(keys, 0);
  }
  put(at: number, key: string, rest: Partial<AsidePut> = {}): Promise<void> {
    const { holder, epoch } = this;
    const frame = { type: "aside.put", request: holder.next(), member: 1, queue: 0, epoch } as const;
    const said = { kind: "park", offset: offset(at), key, redriven: null, attempts: 3, error: failure } as const;
    return holder.say({ ...frame, ...said, ...rest });
  }
  /** Under what number its strand was last delivered. */
  redelivered(at: number): RedrivenId {
    const entry = this.holder.last("redeliver").entries.find((one) => one.offset === at);
    return { strand: entry!.strand, offset: offset(at) };
  }
  putBack(id: RedrivenId, key: string): Promise<void> {
    return this.put(id.offset, key, { redriven: id });
  }
  /** The holder's link breaks: what it has not been told, it will not be. */
  async cut(): Promise<void> {
    this.holder.link.abort();
    await this.bench.runtime.settle();
  }
  /** The holder takes its lease up on a new link; credit comes later, as the consumer gives it. */
  async resume(rest: Partial<LeaseResume> = {}): Promise<void> {
    await this.#link();
    const resume = { epoch: this.epoch, settle: settlement([]), inHand: [], redrivenInHand: [], ...rest };
    const { holder } = this;
    await holder.say({ type: "lease.acquire", request: holder.next(), member: 1, queue: 0, resume });
  }
  /** The holder is asked to hand over, and does; it takes the lease again when that is offered. */
  async handOver(): Promise<void> {
    const { holder, epoch } = this;
    expect(holder.all("lease.revoke")).toHaveLength(1);
    const settle = settlement([]);
    await holder.say({ type: "lease.release", request: holder.next(), member: 1, queue: 0, epoch, settle });
    await this.bench.runtime.advance(0);
    await this.take();
  }
  async settle(settled: Partial<Settlement>, settle = 0): Promise<void> {
    const { holder, epoch } = this;
    await holder.say({ type: "settle", member: 1, queue: 0, epoch, settle, settlement: settlement([], settled) });
  }
  async order(order: Order): Promise<AsideChanged> {
    return (await this.#ask({ ...order, topic: "t", group: "g", reason: "a test" })) as AsideChanged;
  }
  /** The one thing set aside. */
  async listed(): Promise<AsideListed> {
    const question = { kind: "aside.list", topic: "t", group: "g", after: null, limit: 10 } as const;
    const { entries } = (await this.#ask(question)) as { readonly entries: readonly AsideListed[] };
    expect(entries).toHaveLength(1);
    return entries[0] as AsideListed;
  }
  async #ask(question: Question) {
    await this.person.say({ type: "ask", request: this.person.next(), question });
    return this.person.last("answer").answer;
  }
  async account(): Promise<QueueAccount> {
    const [account] = (await this.#ask({ kind: "account", topic: "t", group: "g" })) as readonly QueueAccount[];
    return account as QueueAccount;
  }
  get done() {
    return this.holder.last("aside.done");
  }
  /** What came of these, in order, in short. */
  heard(): string[] {
    const short = (frame: BrokerFrame): string[] => {
      if (frame.type === "aside.done") return ["done"];
      if (frame.type === "deliver") return frame.batches.map((batch) => `deliver ${batch.offset}`);
      if (frame.type === "redeliver") return frame.entries.map((entry) => `redeliver ${entry.offset}`);
      return [];
    };
    return this.holder.frames.flatMap(short);
  }
}
const NEW_BODY = message("a", 20);

describe("a park asked again, because its answer was lost", () => {
  it("names nothing where the queue had halted at it and a person replaced it since (seed 7310133)", async () => {
    const scene = await Scene.start(["a", "a", "b"], { parkedMessagesMax: 1 });
    await scene.put(0, "a");
    expect(scene.holder.last("refused").error.code).toBe("LIMIT_EXCEEDED");
    await scene.cut();
    const { revision } = await scene.order({
      kind: "aside.replace",
      entry: (await scene.listed()).entry,
      message: NEW_BODY,
    });
    await scene.resume({ inHand: [[0, 3]] });
    await scene.put(0, "a");
    expect(scene.done.offsets).toEqual([]);
    expect(scene.done.revision).toBeGreaterThan(revision);
    await scene.handOver();
    expect(scene.heard().slice(1)).toEqual(["redeliver 0", "redeliver 1", "deliver 2"]);
  });
  it.each(["park", "dead-letter"] as const)(
    "gives the change in which it went, after a redrive too (%s)",
    async (kind) => {
      const scene = await Scene.start(["a", "a", "b"]);
      await scene.put(0, "a", { kind });
      const first = scene.done;
      await scene.cut();
      await scene.order({ kind: "aside.retry", entry: (await scene.listed()).entry });
      await scene.resume({ inHand: [[0, 3]] });
      await scene.put(0, "a", { kind });
      expect(scene.done).toMatchObject({ revision: first.revision, offsets: first.offsets });
      await scene.credit();
      expect(scene.heard()).toEqual(["done", ...first.offsets.map((at) => `redeliver ${at}`)]);
    },
  );
  it("is answered before anything of its key comes, though the key was discarded and is open again", async () => {
    const scene = await Scene.start(["a", "a"]);
    await scene.put(0, "a");
    await scene.cut();
    await scene.order({ kind: "aside.discard", key: "a" });
    await scene.produce(["a"]);
    await scene.resume({ inHand: [[0, 2]] });
    const { holder, epoch } = scene;
    const of = { member: 1, queue: 0, epoch } as const;
    const rest = { kind: "park", offset: offset(0), key: "a", redriven: null, attempts: 3, error: failure } as const;
    // its holder would drop what came first: it knows of no discard
    await holder.say(
      { type: "aside.put", request: holder.next(), ...of, ...rest },
      { type: "credit", ...of, messages: 1_000, bytes: 1e6 },
    );
    expect(scene.done.offsets).toEqual([]);
    expect(scene.heard()).toEqual(["done", "deliver 2"]);
  });
  it("names nothing where its message was skipped; what stood behind it runs then", async () => {
    const scene = await Scene.start(["a", "a"]);
    await scene.put(0, "a");
    await scene.cut();
    await scene.order({ kind: "aside.skip", entry: (await scene.listed()).entry });
    await scene.resume({ inHand: [[0, 1]] });
    await scene.put(0, "a");
    await scene.credit();
    expect(scene.done.offsets).toEqual([]);
    expect(scene.heard()).toEqual(["done", "redeliver 1"]);
    expect(await scene.account()).toMatchObject({ discarded: [0], deadLettered: [1], backlog: 0 });
  });
  it("does not halt the queue again where a person said that its message runs again", async () => {
    const scene = await Scene.start(["a", "a"], { parkedMessagesMax: 1 });
    await scene.put(0, "a");
    await scene.cut();
    await scene.order({ kind: "aside.retry", entry: (await scene.listed()).entry });
    await scene.resume({ inHand: [[0, 1]], settle: settlement([], { tried: [[0, 2]] }) });
    await scene.put(0, "a");
    expect(scene.holder.last("refused").error.code).toBe("LIMIT_EXCEEDED"); // as it was answered first
    expect(await scene.account()).toMatchObject({ halted: false, backlog: 2 });
    await scene.handOver();
    expect(scene.holder.last("deliver")).toMatchObject({ batches: [{ offset: 0 }], tried: [] }); // with all its attempts
  });
  it("is refused under the epoch of an earlier lease, and changes nothing", async () => {
    const scene = await Scene.start(["a", "a"]);
    const { epoch } = scene;
    await scene.put(0, "a");
    await scene.cut();
    await scene.order({ kind: "aside.redrive", key: "a" });
    await scene.bench.runtime.advance(10_001);
    await scene.resume();
    expect(scene.holder.last("refused").error.code).toBe("STALE_EPOCH");
    await scene.bench.runtime.advance(0);
    await scene.take();
    await scene.put(0, "a", { epoch });
    expect(scene.holder.last("refused").error.code).toBe("STALE_EPOCH");
    expect(scene.heard()).toEqual(["redeliver 0", "redeliver 1"]);
  });
});

describe("a halt asked again, because its answer was lost", () => {
  it("does not halt the queue again where a person said that its message runs again", async () => {
    const scene = await Scene.start(["a"]);
    await scene.put(0, "a", { kind: "halt" });
    await scene.cut();
    await scene.order({ kind: "aside.retry", entry: (await scene.listed()).entry });
    await scene.resume({ inHand: [[0, 1]] });
    await scene.put(0, "a", { kind: "halt" });
    expect(scene.done.offsets).toEqual([]);
    expect(await scene.account()).toMatchObject({ halted: false, backlog: 1 });
    await scene.handOver();
    expect(scene.heard()).toEqual(["done", "deliver 0"]);
  });
});

describe("a redriven message that failed again, put back again because the answer was lost", () => {
  async function putBack(): Promise<{ scene: Scene; id: RedrivenId; revision: number }> {
    const scene = await Scene.start(["a", "a"]);
    await scene.put(0, "a");
    await scene.order({ kind: "aside.redrive", key: "a" });
    const id = scene.redelivered(0);
    await scene.settle({ redrivenTried: [{ ...id, attempts: 2 }] });
    await scene.putBack(id, "a");
    return { scene, id, revision: scene.done.revision };
  }
  it("still waits where nobody said anything", async () => {
    const { scene, id, revision } = await putBack();
    await scene.cut();
    await scene.resume({ redrivenInHand: [id] });
    await scene.putBack(id, "a");
    await scene.credit();
    expect(scene.done).toMatchObject({ revision, offsets: [0] });
    expect(scene.heard()).toEqual(["done"]);
  });
  it("runs again, from the head of its key and with all its attempts, where a person said so meanwhile", async () => {
    const { scene, id, revision } = await putBack();
    await scene.cut();
    await scene.order({ kind: "aside.redrive", key: "a" });
    await scene.resume({ redrivenInHand: [id], settle: settlement([], { redrivenTried: [{ ...id, attempts: 2 }] }) });
    await scene.putBack(id, "a");
    await scene.credit();
    expect(scene.done).toMatchObject({ revision, offsets: [0] });
    expect(scene.heard()).toEqual(["done", "redeliver 0", "redeliver 1"]);
    expect(scene.holder.last("redeliver").entries[0]).toMatchObject({ attempts: 0 });
    // and waits again when it has failed anew
    await scene.putBack(scene.redelivered(0), "a");
    expect(scene.done.revision).toBeGreaterThan(revision);
    await scene.order({ kind: "aside.redrive", key: "a" });
    expect(scene.heard().slice(3)).toEqual(["done", "redeliver 0", "redeliver 1"]);
  });
  it("runs with the body that a person gave it meanwhile", async () => {
    const { scene, id } = await putBack();
    await scene.cut();
    await scene.order({ kind: "aside.replace", entry: (await scene.listed()).entry, message: NEW_BODY });
    await scene.resume({ redrivenInHand: [id] });
    await scene.putBack(id, "a");
    await scene.credit();
    expect(scene.holder.last("redeliver").entries.map((entry) => entry.message.length > 30)).toEqual([true, false]);
  });
  it("names nothing where its key was discarded; new messages of the key come after the answer", async () => {
    const { scene, id } = await putBack();
    await scene.cut();
    await scene.order({ kind: "aside.discard", key: "a" });
    await scene.produce(["a"]);
    await scene.resume({ redrivenInHand: [id] });
    await scene.putBack(id, "a");
    await scene.credit();
    expect(scene.done.offsets).toEqual([]);
    expect(scene.heard()).toEqual(["done", "deliver 2"]);
  });
  it("has failed anew where it was answered, and delivered again before the link broke", async () => {
    const { scene, id, revision } = await putBack();
    await scene.order({ kind: "aside.redrive", key: "a" });
    expect(scene.heard().slice(-2)).toEqual(["redeliver 0", "redeliver 1"]);
    const again = scene.redelivered(0);
    await scene.cut(); // with a handler busy with it
    await scene.resume({ redrivenInHand: [again, { ...again, offset: offset(1) }] });
    await scene.credit();
    await scene.putBack(again, "a");
    const second = scene.done.revision;
    expect(second).toBeGreaterThan(revision);
    expect(scene.heard()).toEqual(["done"]); // it waits
    // a repeat of that one is told from the first, too
    await scene.cut();
    await scene.order({ kind: "aside.redrive", key: "a" });
    await scene.resume({ redrivenInHand: [again, { ...again, offset: offset(1) }] });
    await scene.putBack(again, "a");
    await scene.credit();
    expect(scene.done.revision).toBe(second);
    expect(scene.heard()).toEqual(["done", "redeliver 0", "redeliver 1"]);
    expect([id, again, scene.redelivered(0)].map(({ strand }) => strand)).toEqual([1, 2, 3]);
    await scene.settle({ redriven: [scene.redelivered(0), scene.redelivered(1)] });
    expect(await scene.account()).toMatchObject({ settled: 2, deadLettered: [], parked: [], backlog: 0 });
  });
  it("has failed anew where the first answer came and it was delivered again since, on whatever link", async () => {
    const { scene, revision } = await putBack();
    await scene.cut();
    await scene.resume(); // it has the answer: the message is not in its hands
    await scene.credit();
    await scene.order({ kind: "aside.redrive", key: "a" });
    await scene.putBack(scene.redelivered(0), "a");
    expect(scene.done.revision).toBeGreaterThan(revision);
    expect(scene.heard()).toEqual(["redeliver 0", "redeliver 1", "done"]);
  });
});

describe("a settle told again by a resume, because its answer was lost", () => {
  it("is answered with the change in which it was applied, before the grant; once", async () => {
    const scene = await Scene.start(["a", "b", "c"]);
    const { holder } = scene;
    await scene.settle({ ranges: [[0, 1]] });
    await scene.put(1, "b");
    const { revision } = holder.last("settled");
    await scene.cut();
    await scene.order({ kind: "aside.redrive", key: "b" });
    const told = (): string[] =>
      scene.holder.frames.flatMap((frame) =>
        frame.type === "settled" || frame.type === "lease.granted" ? [frame.type] : [],
      );
    await scene.resume({ settle: settlement([[0, 1]]), inHand: [[1, 3]] });
    expect(told()).toEqual(["settled", "lease.granted"]);
    expect(scene.holder.last("settled")).toMatchObject({ settle: 0, epoch: scene.epoch, revision });
    expect(scene.holder.last("lease.granted").revision).toBeGreaterThan(revision);
    // on this link settles are numbered anew: the next one is told only what was settled here
    await scene.cut();
    await scene.resume({ inHand: [[1, 3]] });
    expect(told()).toEqual(["lease.granted"]);
  });
});

describe("settles told again by a resume", () => {
  it("are answered with their own changes as far as they are remembered: the last 64", async () => {
    const scene = await Scene.start(["a"]);
    for (let settle = 0; settle < 70; settle++) await scene.settle({ tried: [[0, 1]] }, settle);
    const first = scene.holder.all("settled");
    await scene.cut();
    await scene.resume({ inHand: [[0, 1]] });
    expect(scene.holder.all("settled")).toEqual(first.slice(6));
  });
});

describe("a lease given back or raised, asked about again because the answer was lost", () => {
  const asked = ["lease.release", "lease.raise"] as const;
  it.each(asked)("is over under that epoch, and nothing changes (%s)", async (type) => {
    const scene = await Scene.start(["a", "b"]);
    const { epoch } = scene;
    const settled = settlement([[0, 1]]);
    const ask = () => {
      const { holder } = scene;
      const request = { request: holder.next(), member: 1, queue: 0, epoch } as const;
      return holder.say(type === "lease.raise" ? { type, ...request } : { type, ...request, settle: settled });
    };
    await ask();
    const { revision } = await scene.account();
    await scene.cut();
    await scene.resume({ settle: settled, inHand: [[1, 2]] });
    expect(scene.holder.last("refused").error.code).toBe("STALE_EPOCH");
    await ask();
    expect(scene.holder.all("refused").map(({ error }) => error.code)).toEqual(["STALE_EPOCH", "STALE_EPOCH"]);
    expect(await scene.account()).toMatchObject({ revision, settled: type === "lease.release" ? 1 : 0 });
  });
});
