// One program, run twice: over memory links and over WebSocket. The swap is the one line that names the transport.
import { createSystem, topic } from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { wsTransport } from "@seriatim/transport-ws";
import { z } from "zod";

type Transport = ReturnType<typeof memoryTransport>;
const ACCOUNTS = ["alice", "bob", "carol"];

/**
 * Moves money in and out of accounts;
 * a balance that would go below zero is refused, so the result depends on the order.
 */
async function program(transport: Transport): Promise<Record<string, string>> {
  const transfers = topic("transfers", {
    schema: z.object({ account: z.string(), cents: z.number().int() }),
    key: (body) => body.account,
    queues: 4,
  });
  await using system = await createSystem({ modules: [transport], topics: [transfers] });

  const balances = new Map<string, { cents: number; refused: number }>();
  const ledger = system.consumer(transfers, { group: "ledger" });
  const done = ledger.run(({ body }) => {
    const balance = balances.get(body.account) ?? { cents: 0, refused: 0 };
    if (balance.cents + body.cents < 0) balance.refused++;
    else balance.cents += body.cents;
    balances.set(body.account, balance);
  });

  const bank = system.producer(transfers, { name: "bank" });
  for (let turn = 1; turn <= 100; turn++)
    for (const [index, account] of ACCOUNTS.entries()) {
      const cents = ((turn * 37 + index * 61) % 200) - 100;
      void bank.send({ account, cents });
    }
  await bank.flush();
  await ledger.caughtUp();
  await ledger.close();
  await done;
  return Object.fromEntries(
    ACCOUNTS.map((name) => [name, `${balances.get(name)?.cents} cents, ${balances.get(name)?.refused} refused`]),
  );
}

const transports: Readonly<Record<string, Transport>> = {
  memory: memoryTransport(), // ← the line
  WebSocket: wsTransport({ port: 0 }), // ← and the line it is swapped for
};
const results: string[] = [];
for (const [name, transport] of Object.entries(transports)) {
  const result = await program(transport);
  console.log(`over ${name}:`, result);
  results.push(JSON.stringify(result));
}
const same = new Set(results).size === 1;
console.log(same ? "Both transports gave the same result." : "The results differ!");
process.exitCode = same ? 0 : 1;
