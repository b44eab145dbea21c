import { BehaviorSubject } from "rxjs";
import { expect, it, vi } from "vitest";
import { type ErrorCode, MessagingError } from "../message/errors.ts";
import { evenRuns, slotOf } from "../message/route.ts";
import { topicSpec } from "../message/topic.ts";
import type { TopicFind } from "../protocol/frames.ts";
import { Waits } from "../runtime/waits.ts";
import type { BrokerLink } from "./broker-link.ts";
import type { Connection } from "./connection.ts";
import { linkedBy } from "./connections.fixture.ts";
import { Connections, type Home } from "./connections.ts";
import { TopicDirectory } from "./topic-directory.ts";

const spec = topicSpec({ name: "t", queues: 4 });

function setUp() {
  let version = 1;
  let asked = 0;
  let refuses = (_asked: TopicFind): boolean => false;
  const link = {
    open: true,
    request: async (frame: TopicFind) => {
      asked++;
      if (refuses(frame)) throw new MessagingError("FORBIDDEN", "not yours");
      return { spec, route: { topic: "t", version, ordered: true, homes: ["b", "b", "b", "b"], runs: evenRuns(4) } };
    },
  } as unknown as BrokerLink;
  const links$ = new BehaviorSubject<BrokerLink | null>(link);
  return {
    directory: linkedBy(links$).topics,
    links$,
    link,
    asked: () => asked,
    setVersion: (to: number) => (version = to),
    refuse: (which: typeof refuses) => (refuses = which),
  };
}

const USE = { producer: "p" };

it("asks once, together with others, and knows the queue of each slot", async () => {
  const { directory, asked } = setUp();
  const [one, two] = await Promise.all([directory.find(spec, USE), directory.find(spec, USE)]);
  expect(one).toBe(two);
  expect(await directory.find(spec, USE)).toBe(one);
  expect([asked(), directory.known("t"), directory.known("u")]).toEqual([1, one, undefined]);
  expect(one.table[slotOf("any")]).toBeLessThan(4);
});
it("asks again when told that a route is wrong, and never goes back to an older one", async () => {
  const { directory, asked, setVersion } = setUp();
  setVersion(5);
  await directory.find(spec, USE);
  directory.forget("t");
  setVersion(4);
  expect((await directory.find(spec, USE)).route.version).toBe(5);
  directory.forget("t");
  setVersion(6);
  expect((await directory.find(spec, USE)).route.version).toBe(6);
  expect(asked()).toBe(3);
});
it("asks for each use on its own: what one may not look up, another may", async () => {
  const { directory, asked, refuse } = setUp();
  refuse(({ producer }) => producer === "p");
  const [mine, others] = await Promise.allSettled([
    directory.find(spec, USE),
    directory.find(spec, { group: "g", consumer: "c" }),
  ]);
  expect(mine).toMatchObject({ status: "rejected", reason: { code: "FORBIDDEN" } });
  expect(others.status).toBe("fulfilled");
  expect(asked()).toBe(2);
});
it("refuses a topic that is declared otherwise here", async () => {
  const { directory } = setUp();
  await expect(directory.find({ name: "t", ordered: false, queues: 4 }, USE)).rejects.toMatchObject({
    code: "TOPIC_MISMATCH",
  });
  await expect(directory.find({ name: "t", ordered: true, queues: 8 }, USE)).rejects.toMatchObject({
    code: "TOPIC_MISMATCH",
  });
});
it("waits for a link, and stops waiting when the signal fires", async () => {
  const { directory, links$, link } = setUp();
  links$.next(null);
  const stop = new AbortController();
  const stopped = directory.find(spec, USE, stop.signal).catch((reason: unknown) => reason);
  const waiting = directory.find(spec, USE);
  stop.abort("enough");
  expect(await stopped).toBe("enough");
  links$.next(link);
  expect((await waiting).spec.name).toBe("t");
});

it("keeps nothing of those who no longer wait, while there is no link", async () => {
  const { directory, links$, link } = setUp();
  links$.next(null);
  const waits = vi.spyOn(Waits.prototype, "wait");
  const staying = directory.find(spec, USE);
  const reason = new Error("changed my mind");
  for (let n = 0; n < 10; n++) {
    const leaving = new AbortController();
    const found = directory.find(spec, USE, leaving.signal);
    leaving.abort(reason);
    await expect(found).rejects.toBe(reason);
  }
  expect(new Set(waits.mock.contexts).size).toBe(1);
  expect((waits.mock.contexts[0] as Waits<null>).size).toBe(1);
  links$.next(link);
  expect((await staying).spec).toBe(spec);
});
it("looks for a topic at one broker after the other, and asks where it lives from then on", async () => {
  const asked: string[] = [];
  const brokerWith = (name: string, refusal: ErrorCode | null) => {
    const link = {
      open: true,
      request: async () => {
        asked.push(name);
        if (refusal !== null) throw new MessagingError(refusal, "not here");
        return { spec, route: { topic: "t", version: 1, ordered: true, homes: [name], runs: evenRuns(4) } };
      },
    } as unknown as BrokerLink;
    return { link, ready: Promise.resolve() } as unknown as Connection;
  };
  const brokers = (...refusals: (ErrorCode | null)[]) => {
    const homes = refusals.map((_, index) => ({ index }) as unknown as Home) as [Home, ...Home[]];
    return { homes, make: (_: Home, number: number) => brokerWith(`b${number}`, refusals[number - 1] ?? null) };
  };
  const { homes, make } = brokers("TOPIC_UNKNOWN", "FORBIDDEN", null, null);
  const directory = new TopicDirectory(new Connections(homes, make));
  expect((await directory.find(spec, USE)).home).toBe(homes[2]);
  expect(asked).toEqual(["b1", "b2", "b3"]);
  expect(await directory.ask("t", async (home) => home)).toBe(homes[2]);
  const nowhere = brokers("FORBIDDEN", "TOPIC_UNKNOWN");
  const other = new TopicDirectory(new Connections(nowhere.homes, nowhere.make));
  await expect(other.find(spec, USE)).rejects.toMatchObject({ code: "FORBIDDEN" });
  const full = brokers("LIMIT_EXCEEDED", null);
  const third = new TopicDirectory(new Connections(full.homes, full.make));
  await expect(third.find(spec, USE)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
});
