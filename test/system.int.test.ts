import { createSystem, topic, typed } from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { expect, it } from "vitest";

it("a system handles the messages of each key one after another, in send order, and accounts for all of them", async () => {
  const moves = topic("moves", { schema: typed<{ game: string; move: number }>(), key: (body) => body.game });
  await using system = await createSystem({ modules: [memoryTransport()], topics: [moves] });
  const board = system.consumer(moves, { group: "board" });
  const seen = new Map<string, number[]>();
  const done = board.run(({ key, body }) => {
    const moves = seen.get(key as string) ?? [];
    moves.push(body.move);
    seen.set(key as string, moves);
  });
  const producer = system.producer(moves);
  const sent = Array.from({ length: 2_000 }, (_, move) => ({ game: `g${move % 7}`, move }));
  for (const body of sent) void producer.send(body);
  await producer.flush();
  await board.caughtUp();
  await board.close();
  await done;
  const { counts } = await system.describe(moves, { group: "board" });
  expect(counts).toMatchObject({ settled: 2_000, backlog: 0 });
  for (const [key, moves] of seen)
    expect(moves).toEqual(sent.filter(({ game }) => game === key).map(({ move }) => move));
  expect(seen.size).toBe(7);
});
