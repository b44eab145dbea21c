// The quick start as a Deno program, and over Deno's own WebSocket.
// From the repository, after `npm ci && npm run build`:
//   npx deno run -A --node-modules-dir=manual --no-remote packages/examples/src/deno/quick-start.ts
import { createSystem, topic } from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { wsTransport } from "@seriatim/transport-ws";
import { z } from "zod";

declare const Deno: { readonly version: { readonly deno: string } };

const moves = topic("moves", { schema: z.object({ game: z.string(), move: z.string() }), key: (body) => body.game });

for (const [name, transport] of [
  ["memory", memoryTransport()],
  ["WebSocket", wsTransport({ port: 0 })],
] as const) {
  await using system = await createSystem({ modules: [transport], topics: [moves] });
  const board = system.consumer(moves, { group: "board" });
  const played: string[] = [];
  const done = board.run(({ body }) => void played.push(body.move));

  const producer = system.producer(moves);
  for (const move of ["e4", "e5", "Nf3"]) void producer.send({ game: "g1", move });
  await producer.flush();
  await board.caughtUp();
  await board.close();
  await done;
  console.log(`Deno ${Deno.version.deno} over ${name}: ${played.join(" ")}`);
}
