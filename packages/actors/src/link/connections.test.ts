import { expect, it } from "vitest";
import { MessagingError } from "../message/errors.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { type Connection, nextLink } from "./connection.ts";
import { Connections, type Home } from "./connections.ts";

it("makes a connection when it is first needed, and another one once it has given up", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const homes = [{}, {}] as unknown as [Home, Home];
  const made: { readonly number: number; readonly giveUp: (error: MessagingError) => void; closed: boolean }[] = [];
  const connections = new Connections(homes, (_, number) => {
    let giveUp!: (error: MessagingError) => void;
    const ready = new Promise<void>((_resolve, reject) => (giveUp = reject));
    const one = { number, giveUp, closed: false };
    made.push(one);
    const links$ = { subscribe: () => ({ unsubscribe: () => {} }) };
    return { link: null, links$, ready, close: () => (one.closed = true) } as unknown as Connection;
  });
  expect(made).toEqual([]);
  const second = connections.linkTo(homes[1]);
  expect([connections.linkTo(homes[1]) === second, made.map(({ number }) => number)]).toEqual([true, [2]]);
  const next = nextLink(second);
  made[0]!.giveUp(new MessagingError("CONNECT_TIMEOUT", "nobody there"));
  await expect(next).rejects.toMatchObject({ code: "CONNECT_TIMEOUT" });
  await runtime.settle();
  expect(connections.linkTo(homes[1])).not.toBe(second);
  connections.linkTo(homes[0]);
  connections.close();
  expect(made.map(({ number, closed }) => [number, closed])).toEqual([
    [2, false],
    [2, true],
    [1, true],
  ]);
});
