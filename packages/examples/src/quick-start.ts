// Ordered messages in one process, in 20 lines: the moves of one game, handled one after another.
import { createSystem, topic } from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { z } from "zod";

const moves = topic("moves", { schema: z.object({ game: z.string(), move: z.string() }), key: (body) => body.game });
await using system = await createSystem({ modules: [memoryTransport()], topics: [moves] });

const board = system.consumer(moves, { group: "board" });
const done = board.run(async ({ key, body }, { attempt }) => console.log(key, body.move, `attempt ${attempt}`));

const producer = system.producer(moves);
for (const move of ["e4", "e5", "Nf3"]) void producer.send({ game: "g1", move }); // in order, without await
await producer.flush();
await board.caughtUp(); // all appended; all of that settled
await board.close();
await done; // finishes the message in hand, releases its leases
