// One broker on several transports: in this process and over WebSocket.
import { createBroker, createClient, createSystem, provide, tokens, topic, typed } from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { wsTransport } from "@seriatim/transport-ws";
import { expect, it } from "vitest";

const moves = topic("moves", { schema: typed<{ game: string; move: number }>(), key: (body) => body.game });

it("has one order, one group and one account, whichever way its clients come", async () => {
  await using system = await createSystem({
    modules: [memoryTransport()],
    listen: [wsTransport({ port: 0 }), wsTransport({ port: 0 })],
    topics: [moves],
  });
  const { address, addresses } = system.broker;
  expect([address, addresses.length]).toEqual([addresses[0], 3]);
  expect(address).not.toMatch(/^ws:/);
  for (const each of addresses.slice(1)) expect(each).toMatch(/^ws:/);

  const seen = new Map<string, number[]>();
  const clients = [
    system,
    ...(await Promise.all(addresses.slice(1).map((url) => createClient({ modules: [wsTransport({ url })] })))),
  ];
  const consumers = clients.map((client, at) => client.consumer(moves, { group: "board", name: `board-${at}` }));
  const runs = consumers.map((consumer) =>
    consumer.run(({ key, body }) => {
      const moves = seen.get(key as string) ?? [];
      moves.push(body.move);
      seen.set(key as string, moves);
    }),
  );
  // a game is played through one client after the other
  const sent = Array.from({ length: 300 }, (_, move) => ({ game: `g${move % 7}`, move }));
  const producers = clients.map((client) => client.producer(moves));
  for (let from = 0; from < sent.length; from += 100) {
    const producer = producers[(from / 100) % producers.length];
    for (const body of sent.slice(from, from + 100)) void producer?.send(body);
    await producer?.flush();
  }
  await consumers[0]?.caughtUp();
  const { counts, members } = await system.describe(moves, { group: "board" });
  expect(counts).toMatchObject({ settled: 300, backlog: 0 });
  expect([...members].sort()).toEqual(["board-0", "board-1", "board-2"]);
  for (const [key, moves] of seen)
    expect(moves).toEqual(sent.filter(({ game }) => game === key).map(({ move }) => move));

  for (const consumer of consumers) await consumer.close();
  await Promise.all(runs);
  for (const client of clients.slice(1)) await client.close();
});

it("asks the same authenticator, and begins no link that it refuses", async () => {
  const inside = memoryTransport();
  const authenticator = { authenticate: async (token: string | null) => (token === "let me in" ? { id: "me" } : null) };
  await using broker = await createBroker({
    modules: [
      inside,
      provide(tokens.authenticator, () => authenticator),
      provide(tokens.authorizer, () => ({ authorize: () => true })),
    ],
    listen: [wsTransport({ port: 0 })],
    topics: [moves],
  });
  const ways = [inside, wsTransport({ url: broker.addresses[1] ?? "" })];
  for (const way of ways) {
    await expect(createClient({ modules: [way], token: "let me out" })).rejects.toMatchObject({
      code: "UNAUTHENTICATED",
    });
    await using client = await createClient({ modules: [way], token: "let me in" });
    expect(await client.describe()).toMatchObject({ brokers: [{ state: "serving" }] });
  }
});

it("does not start when one of them cannot listen, and lets the others go", async () => {
  await using taken = await createBroker({ modules: [wsTransport({ port: 0 })] });
  const port = Number(new URL(taken.address).port);
  const inside = memoryTransport();
  const start = (more: number) =>
    createBroker({ modules: [inside], listen: [wsTransport({ port: more })], topics: [moves] });
  await expect(start(port)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await using broker = await start(0); // the hub is free again
  expect(broker.addresses).toHaveLength(2);
});

it("refuses what is no module with a transport that listens", async () => {
  const logger = provide(tokens.logger, () => ({ log: () => {} }));
  for (const listen of [[logger], [wsTransport({ url: "ws://127.0.0.1:1" })], ["ws://127.0.0.1"]]) {
    const start = createBroker({ modules: [memoryTransport()], listen: listen as (typeof logger)[] });
    await expect(start).rejects.toMatchObject({ code: "OPTION_INVALID" });
  }
});
