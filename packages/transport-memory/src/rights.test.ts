// What becomes of a whole client when its rights are revoked, or its token expires, in virtual time.
import {
  auth,
  binaryCodec,
  type Codec,
  createBroker,
  createClient,
  jsonCodec,
  type Principal,
  provide,
  type Right,
  tokens,
  topic,
  typed,
} from "@seriatim/actors";
import { simulatedRuntime } from "@seriatim/testing";
import { describe, expect, it } from "vitest";
import { memoryTransport } from "./index.ts";

const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 2 });
const REVOKED_WITHIN_MS = 10_000;

/** A broker over memory on a simulated clock, where a token is the name of its principal. */
class Scene {
  readonly runtime = simulatedRuntime({ seed: 5 });
  readonly #transport = memoryTransport();
  readonly #runtimeModule = provide(tokens.runtime, () => this.runtime);
  allows: (right: Right, by: string) => boolean = () => true;
  /** What the authenticator adds to the principal. */
  principal: () => Partial<Principal> = () => ({});
  readonly codec: Codec;
  constructor(codec: Codec) {
    this.codec = codec;
  }
  async broker() {
    const access = auth({
      authenticate: async (token) => (token === null ? null : { id: token.split("#")[0] ?? "", ...this.principal() }),
      authorize: ({ id }, right) => this.allows(right, id),
    });
    const modules = [this.#transport, this.#runtimeModule, access];
    return await this.come(createBroker({ modules, topics: [lines] }));
  }
  async client(token: string | (() => string)) {
    const codec = provide(tokens.codec, () => this.codec);
    return await this.come(createClient({ modules: [this.#transport, this.#runtimeModule, codec], token }));
  }
  /** Lets time pass until the promise has settled. */
  async come<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    while (!settled) await this.runtime.advance(1);
    return await promise;
  }
  async codeOf(promise: Promise<unknown>): Promise<string> {
    const code = promise.then(
      () => "none",
      (error: { readonly code: string }) => error.code,
    );
    return await this.come(code);
  }
  /** A consumer of the group, and what it handles. */
  consume(client: Awaited<ReturnType<Scene["client"]>>, name: string) {
    const handled: string[] = [];
    const consumer = client.consumer(lines, { group: "g", name });
    const ended = consumer.run((message) => void handled.push(message.body));
    ended.catch(() => {});
    return { handled, ended, consumer };
  }
}

describe.each([binaryCodec, jsonCodec])("over the $name codec", (codec) => {
  it("sends of a producer without its right fail, are not tried for ever, and go again once it is given back", async () => {
    const scene = new Scene(codec);
    const broker = await scene.broker();
    const client = await scene.client("alice");
    const producer = client.producer(lines, { name: "mine" });
    const other = client.producer(lines, { name: "other" });
    const send = (from: typeof producer, body: string) => from.send(body, { key: "k" });
    expect((await scene.come(send(producer, "a"))).offset).toBe(0);
    await scene.come(send(other, "b"));
    scene.allows = (right) => !("producer" in right) || right.producer !== "mine";
    await scene.runtime.advance(REVOKED_WITHIN_MS);
    expect(await scene.codeOf(send(producer, "c"))).toBe("FORBIDDEN");
    expect(await scene.codeOf(send(producer, "d"))).toBe("FORBIDDEN");
    expect((await scene.come(send(other, "e"))).offset).toBe(2); // nothing of the others is in the way, and nothing was appended
    expect(await scene.codeOf(client.producer(lines, { name: "mine" }).ready())).toBe("none");
    scene.allows = () => true;
    expect((await scene.come(send(producer, "f"))).offset).toBe(3);
    await scene.come(client.close());
    await scene.come(broker.close());
  });
  it("a consumer without its right ends with FORBIDDEN, and its queues are another's", async () => {
    const scene = new Scene(codec);
    const broker = await scene.broker();
    const alice = await scene.client("alice");
    const bob = await scene.client("bob");
    const first = scene.consume(alice, "first");
    await scene.come(first.consumer.ready());
    const producer = bob.producer(lines);
    for (const body of ["a", "b"]) await scene.come(producer.send(body, { key: body }));
    await scene.come(first.consumer.caughtUp());
    const second = scene.consume(bob, "second");
    await scene.come(second.consumer.ready());
    scene.allows = (right, by) => right.verb !== "consume" || by !== "alice";
    await scene.runtime.advance(REVOKED_WITHIN_MS);
    expect(await scene.codeOf(first.ended)).toBe("FORBIDDEN");
    for (const body of ["c", "d"]) await scene.come(producer.send(body, { key: body }));
    await scene.come(second.consumer.caughtUp());
    expect(first.handled.sort()).toEqual(["a", "b"]);
    expect(second.handled.sort()).toEqual(["c", "d"]);
    expect(alice.actors.list("connection")).toMatchObject([{ state: "open" }]);
    expect(await scene.codeOf(scene.consume(alice, "again").ended)).toBe("FORBIDDEN");
    for (const each of [alice, bob, broker]) await scene.come(each.close());
  });
  it("a consumer whose authorizer cannot say waits, and goes on when it can", async () => {
    const scene = new Scene(codec);
    const broker = await scene.broker();
    const client = await scene.client("alice");
    const { handled, consumer } = scene.consume(client, "first");
    await scene.come(consumer.ready());
    scene.allows = () => {
      throw new Error("the directory is down");
    };
    await scene.runtime.advance(REVOKED_WITHIN_MS);
    const sent = client.producer(lines).send("a", { key: "k" });
    sent.catch(() => {});
    scene.allows = () => true;
    await scene.runtime.advance(20_000);
    await scene.come(client.producer(lines).send("b", { key: "k" }));
    await scene.come(consumer.caughtUp());
    expect(handled).toContain("b");
    for (const each of [client, broker]) await scene.come(each.close());
  });
  it("a client whose token expires comes again with a new one, and loses nothing", async () => {
    const scene = new Scene(codec);
    scene.principal = () => ({ expiresAtMs: scene.runtime.wallNow() + 7_000 });
    const broker = await scene.broker();
    const tokens: string[] = [];
    const client = await scene.client(() => {
      tokens.push(`alice#${tokens.length}`);
      return tokens.at(-1) as string;
    });
    const closed: unknown[] = [];
    client.events$.subscribe((event) => {
      if (event.type === "link.closed") closed.push(event.code);
    });
    const { handled, consumer } = scene.consume(client, "first");
    const producer = client.producer(lines);
    const sent: Promise<unknown>[] = [];
    for (let n = 0; n < 300; n++) {
      sent.push(producer.send(String(n), { key: "k" }));
      await scene.runtime.advance(100);
    }
    await scene.come(Promise.all(sent));
    await scene.come(consumer.caughtUp());
    expect(handled).toEqual(Array.from({ length: 300 }, (_, n) => String(n)));
    expect(tokens).toHaveLength(5); // 30 s, of 7 s each
    expect(closed).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED", "UNAUTHENTICATED"]);
    for (const each of [client, broker]) await scene.come(each.close());
  });
});

describe("what is no principal", () => {
  it.each([
    ["false", false, "UNAUTHENTICATED"],
    ["nothing", undefined, "UNAUTHENTICATED"],
    ["no id", {}, "UNAVAILABLE"],
    ["an id that is no text", { id: 5 }, "UNAVAILABLE"],
    ["an expiry that is no number", { id: "a", expiresAtMs: "soon" }, "UNAVAILABLE"],
  ])("(%s) does not come in", async (_, answer, code) => {
    const scene = new Scene(binaryCodec);
    const modules = [memoryTransport(), provide(tokens.runtime, () => scene.runtime)];
    const access = auth({ authenticate: async () => answer as never, authorize: () => true });
    const broker = await scene.come(createBroker({ modules: [...modules, access] }));
    const dialled = createClient({ modules, token: "t", connectTimeoutMs: 500 });
    const error = await scene.come(
      dialled.then(
        () => null,
        (thrown: { readonly code: string; readonly cause?: { readonly code: string } }) => thrown,
      ),
    );
    expect(error?.code === "CONNECT_TIMEOUT" ? error.cause?.code : error?.code).toBe(code);
    await scene.come(broker.close());
  });
});
