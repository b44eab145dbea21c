// Rights that are revoked and tokens that expire, over sockets, in real time: the table of all of them is broker/rights.test.ts, in virtual time.
import {
  auth,
  binaryCodec,
  createBroker,
  createClient,
  isMessagingError,
  jsonCodec,
  provide,
  type Right,
  tokens,
  topic,
  typed,
} from "@seriatim/actors";
import { wsTransport } from "@seriatim/transport-ws";
import { describe, expect, it } from "vitest";

const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    (error: unknown) => (isMessagingError(error) ? error.code : String(error)),
  );
/** Until it is so; a test that hangs is ended by its time-out. */
async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

describe.each([binaryCodec, jsonCodec])("over WebSocket, with the $name codec", (codec) => {
  const dial = (url: string, token: string | (() => string)) =>
    createClient({ modules: [wsTransport({ url }), provide(tokens.codec, () => codec)], token });

  it("without a right nothing works, with it everything does, and revoked it ends", async () => {
    const revoked = new Set<Right["verb"]>();
    const access = auth({
      authenticate: async (token) => (token === null ? null : { id: token }),
      authorize: ({ id }, { verb }) => id === "boss" || (id === "alice" && !revoked.has(verb)),
    });
    await using broker = await createBroker({ modules: [wsTransport({ port: 0 }), access], topics: [lines] });
    await using nobody = await dial(broker.address, "nobody");
    const aside = nobody.admin.setAside(lines, { group: "g" });
    const denied = [
      nobody.describe(),
      nobody.explain(lines, "k"),
      nobody.admin.account(lines, { group: "g" }),
      nobody.admin.declare(topic("more", { schema: typed<string>(), key: null })),
      aside.peek("k"),
      aside.redrive("k", { reason: "r" }),
      nobody.producer(lines).send("a", { key: "k" }),
      nobody.consumer(lines, { group: "g" }).run(() => {}),
      nobody.consumer(lines, { group: "g" }).caughtUp(),
    ];
    expect(await Promise.all(denied.map(codeOf))).toEqual(denied.map(() => "FORBIDDEN"));

    await using alice = await dial(broker.address, "alice");
    await using boss = await dial(broker.address, "boss");
    const handled: string[] = [];
    const consumer = alice.consumer(lines, { group: "g", name: "alices" });
    const ended = codeOf(consumer.run((message) => void handled.push(message.body)));
    const producer = alice.producer(lines);
    await producer.send("a", { key: "k" });
    await consumer.caughtUp();
    expect(handled).toEqual(["a"]);
    expect((await alice.describe()).topics).toMatchObject([{ topic: "lines", groups: [{ members: ["alices"] }] }]);

    for (const verb of ["produce", "consume", "observe"] as const) revoked.add(verb);
    expect(await codeOf(alice.describe())).toBe("FORBIDDEN");
    expect(await ended).toBe("FORBIDDEN");
    await until(async () => (await codeOf(producer.send("b", { key: "k" }))) === "FORBIDDEN");
    // its client's next heartbeat gives the lease back
    await until(async () => (await boss.describe(lines, { group: "g" })).queues[0]?.state === "vacant");
    revoked.clear();
    expect(await codeOf(producer.send("c", { key: "k" }))).toBe("none");
    expect(handled).toEqual(["a"]);
  });
  it("a token that expires ends its link, and the next one loses nothing", async () => {
    const access = auth({
      authenticate: async (token) => (token === null ? null : { id: "alice", expiresAtMs: Date.now() + 400 }),
      authorize: () => true,
    });
    await using broker = await createBroker({ modules: [wsTransport({ port: 0 }), access], topics: [lines] });
    let asked = 0;
    await using client = await dial(broker.address, () => `token ${++asked}`);
    const closed: (string | null)[] = [];
    client.events$.subscribe((event) => {
      if (event.type === "link.closed") closed.push(event.code);
    });
    const handled: string[] = [];
    const consumer = client.consumer(lines, { group: "g" });
    consumer.run((message) => void handled.push(message.body)).catch(() => {});
    const producer = client.producer(lines);
    const sent: Promise<unknown>[] = [];
    await until(() => {
      sent.push(producer.send(String(sent.length), { key: "k" }));
      return asked >= 3;
    });
    await Promise.all(sent);
    await consumer.caughtUp();
    expect(handled).toEqual(sent.map((_, n) => String(n)));
    expect(new Set(closed)).toEqual(new Set(["UNAUTHENTICATED"]));
  });
});

it("an authenticator without an authorizer starts no broker, and auth() takes no half", async () => {
  const alone = provide(tokens.authenticator, () => ({ authenticate: async () => ({ id: "a" }) }));
  const broker = createBroker({ modules: [wsTransport({ port: 0 }), alone] });
  await expect(broker).rejects.toMatchObject({ code: "MODULE_MISSING", data: { token: "authorizer" } });
  expect(() => auth({ authenticate: async () => null } as never)).toThrow(
    expect.objectContaining({ code: "OPTION_INVALID", data: expect.objectContaining({ option: "authorize" }) }),
  );
});
