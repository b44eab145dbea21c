// Many look for a topic while answers come late, links end, routes change and callers give up, in any order.
import fc from "fast-check";
import { BehaviorSubject } from "rxjs";
import { expect, it } from "vitest";
import { MessagingError } from "../message/errors.ts";
import { evenRuns } from "../message/route.ts";
import { topicSpec } from "../message/topic.ts";
import type { BrokerLink } from "./broker-link.ts";
import { linkedBy } from "./connections.fixture.ts";

const spec = topicSpec({ name: "t", queues: 4 });
const act = fc.constantFrom("find", "find with signal", "forget", "new route", "lose link", "relink");

it("answers everyone once, asks once at a time, and never goes back to an older route", async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), fc.array(act, { maxLength: 20 }), async (s, acts) => {
      let version = 1;
      let highest = 1;
      let asking = 0;
      const connect = () => {
        const link = {
          open: true,
          request: async () => {
            expect(++asking).toBe(1);
            const route = { topic: "t", version, ordered: true, homes: ["b", "b", "b", "b"], runs: evenRuns(4) };
            await s.schedule(Promise.resolve(), "answer");
            asking--;
            if (!link.open) throw new MessagingError("UNAVAILABLE", "the link has ended");
            return { spec, route };
          },
        };
        return link;
      };
      let link = connect();
      const links$ = new BehaviorSubject<BrokerLink | null>(link as unknown as BrokerLink);
      const directory = linkedBy(links$).topics;
      const answers: Promise<void>[] = [];
      const signals: { readonly controller: AbortController; listeners: number }[] = [];
      let newest = 0;
      const find = (signal?: AbortSignal) =>
        directory.find(spec, { producer: "p" }, signal).then(
          ({ route }) => {
            expect(route.version).toBeLessThanOrEqual(highest);
            newest = Math.max(newest, route.version);
          },
          (reason: unknown) => expect(reason).toBe("enough"),
        );
      const steps = acts.map((one, n) =>
        s.schedule(Promise.resolve(), one).then(() => {
          if (one === "find") answers.push(find());
          else if (one === "find with signal") {
            const counted = countListeners();
            signals.push(counted);
            answers.push(find(counted.controller.signal));
            void s.schedule(Promise.resolve(), "abort").then(() => counted.controller.abort("enough"));
          } else if (one === "forget") directory.forget("t");
          else if (one === "new route")
            version = n % 5 === 0 ? Math.max(1, version - 1) : version + 1; // a broker may know less, too
          else if (one === "lose link") {
            link.open = false;
            links$.next(null);
          } else if (!link.open) {
            link = connect();
            links$.next(link as unknown as BrokerLink);
          }
          highest = Math.max(highest, version);
          const known = directory.known("t");
          if (known !== undefined) expect(known.route.version).toBeGreaterThanOrEqual(newest);
        }),
      );
      await s.waitFor(Promise.all(steps));
      if (!link.open) {
        link = connect();
        links$.next(link as unknown as BrokerLink);
      }
      await s.waitFor(Promise.all(answers));
      while (s.count() > 0) await s.waitOne();
      for (const { listeners } of signals) expect(listeners).toBe(0);
      expect(links$.observed).toBe(false);
    }),
    { numRuns: 200 },
  );
});

/** A signal that knows how many listen to it. One that has fired has let them all go. */
function countListeners() {
  const controller = new AbortController();
  const counted = { controller, listeners: 0 };
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  const listening = new Set<unknown>();
  const count = () => {
    counted.listeners = signal.aborted ? 0 : listening.size;
  };
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof add>) => {
      listening.add(args[1]);
      add(...args);
      count();
    },
    removeEventListener: (...args: Parameters<typeof remove>) => {
      listening.delete(args[1]);
      remove(...args);
      count();
    },
  });
  add("abort", count);
  return counted;
}
