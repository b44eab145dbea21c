import { expect, it } from "vitest";
import { createSystem, topic, typed } from "../index.ts";
import { memoryTransport } from "@seriatim/transport-memory";

it("handles the messages of a key one after another, in send order", async () => {
  const moves = topic("moves", { schema: typed<{ game: string; move: number }>(), key: (body) => body.game });
  const errors: unknown[] = [];
  const system = await createSystem({ modules: [memoryTransport()], topics: [moves] });
  system.broker.events$.subscribe((e) => errors.push(e));
  const board = system.consumer(moves, { group: "board" });
  const seen = new Map<string, number[]>();
  const done = board.run(({ key, body }) => {
    const list = seen.get(key as string) ?? [];
    list.push(body.move);
    seen.set(key as string, list);
  });
  const producer = system.producer(moves);
  for (let n = 0; n < 2000; n++) void producer.send({ game: `g${n % 7}`, move: n });
  await producer.flush();
  await board.caughtUp();
  await board.close();
  await done;
  const counts = (await system.describe(moves, { group: "board" })).counts;
  await system.close();
  expect(counts).toMatchObject({ settled: 2000, backlog: 0 });
  for (const [key, list] of seen) expect(list).toEqual(Array.from({ length: 2000 }, (_, n) => n).filter((n) => `g${n % 7}` === key));
});
