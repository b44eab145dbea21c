// Tokens, dials and handshakes that end in any order, links that are lost, and a client that closes in between.
import fc from "fast-check";
import { Subject } from "rxjs";
import { expect, it } from "vitest";
import type { Link, LinkEnd, Transport } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";
import { binaryCodec } from "../protocol/index.ts";
import { NEWEST_VERSION } from "../protocol/version.ts";
import { ActorRegistry } from "../runtime/actor-registry.ts";
import { EventBus } from "../runtime/event-bus.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import type { BrokerLink } from "./broker-link.ts";
import { Connection } from "./connection.ts";

const WELCOME = {
  type: "welcome",
  version: NEWEST_VERSION,
  brokerId: "b1",
  broker: "b",
  frameBytesMax: 1 << 20,
  messageBytesMax: 1 << 16,
  inFlightBatchesMax: 8,
  heartbeatMs: 1_000,
  leaseTtlMsMax: 60_000,
  durabilityMax: "synced",
  ordinal: 1,
} as const;
/** What becomes of each dial in turn. */
const dial = fc.record({ token: fc.boolean(), dials: fc.boolean(), heedsSignal: fc.boolean(), welcomes: fc.boolean() });

it("lets one link be open at a time, and leaves none open once closed", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(dial, { minLength: 1, maxLength: 6 }),
      fc.nat(25),
      async (s, dials, closeAfter) => {
        const runtime = simulatedRuntime({ seed: 1 });
        const open = new Set<Link>();
        const failed: unknown[] = [];
        let turn = -1;
        let closed = false;
        const plan = () => dials[turn % dials.length] as (typeof dials)[0];
        const connect = (welcomes: boolean): Link => {
          const down = new Subject<Uint8Array>();
          let tell = (_: LinkEnd) => {};
          const end = (code: LinkEnd["code"]) => {
            if (!open.delete(link)) return;
            down.complete();
            tell({ code, reason: "" });
          };
          const link: Link = {
            frames$: down,
            bufferedBytes: 0,
            whenDrained: () => {},
            pause: () => {},
            resume: () => {},
            send: () => {},
            close: (code = "normal") => end(code),
            abort: () => end("lost"),
            ended: new Promise((resolve) => {
              tell = resolve;
            }),
          };
          open.add(link);
          if (welcomes)
            void s.schedule(Promise.resolve(), "welcome").then(() => down.next(binaryCodec.encode([WELCOME])));
          void s.schedule(Promise.resolve(), "lost").then(() => end("lost"));
          return link;
        };
        const transport: Transport = {
          dial: async ({ signal }) => {
            const { dials: succeeds, heedsSignal, welcomes } = plan();
            await s.schedule(Promise.resolve(), "dial");
            if (heedsSignal) signal.throwIfAborted();
            if (!succeeds) throw new MessagingError("UNAVAILABLE", "nobody listens");
            return connect(welcomes);
          },
        };
        const connection = new Connection({
          transport,
          codec: binaryCodec,
          runtime,
          actors: new ActorRegistry({ runtime, onFailure: (_, error) => failed.push(error), dropped: () => {} }),
          events: new EventBus(runtime, () => {}),
          logger: { log: () => {} },
          name: "c",
          path: "c/connection",
          instance: "i",
          token: async () => {
            turn++;
            await s.schedule(Promise.resolve(), "token");
            if (!plan().token) throw new MessagingError("UNAVAILABLE", "no token now");
            return "t";
          },
          connectTimeoutMs: 10_000,
        });
        let settled = 0;
        connection.ready.then(
          () => settled++,
          () => settled++,
        );
        const seen: (BrokerLink | null)[] = [];
        let complete = 0;
        connection.links$.subscribe({
          next: (link) => {
            expect(closed && link !== null).toBe(false); // none after the close
            const before = seen.at(-1) ?? null;
            if (before !== null) expect(before.open).toBe(false);
            seen.push(link);
          },
          complete: () => complete++,
        });
        for (let step = 0; step < 25; step++) {
          if (step === closeAfter) {
            connection.close();
            closed = true;
          }
          if (s.count() > 0) await s.waitOne();
          await runtime.advance(700);
          expect(open.size).toBeLessThanOrEqual(1);
        }
        if (!closed) connection.close();
        closed = true;
        for (let left = 0; left < 50 && s.count() > 0; left++) {
          await s.waitOne();
          await runtime.settle();
        }
        await runtime.settle();
        expect([open.size, complete, settled, runtime.timers, failed]).toEqual([0, 1, 1, 0, []]);
        expect(connection.link?.open ?? false).toBe(false);
      },
    ),
    { numRuns: 100 },
  );
});
