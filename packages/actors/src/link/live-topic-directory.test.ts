import { BehaviorSubject } from "rxjs";
import { expect, it, vi } from "vitest";
import { MessagingError } from "../message/errors.ts";
import { evenRuns, slotOf } from "../message/route.ts";
import { topicSpec } from "../message/topic.ts";
import type { TopicFind } from "../protocol/frames.ts";
import { Waits } from "../runtime/waits.ts";
import type { BrokerConnection, BrokerLink } from "./broker-link.ts";
import { LiveTopicDirectory } from "./live-topic-directory.ts";

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
  const connection = {
    get link() {
      return links$.value;
    },
    links$,
  } as unknown as BrokerConnection;
  return {
    directory: new LiveTopicDirectory(connection),
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
  directory.forget("t", new MessagingError("WRONG_ROUTE", "newer"));
  setVersion(4);
  expect((await directory.find(spec, USE)).route.version).toBe(5);
  directory.forget("t", new MessagingError("WRONG_ROUTE", "newer"));
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
