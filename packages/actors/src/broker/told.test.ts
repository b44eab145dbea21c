// What a peer is told of errors: whatever a store or an authorizer fails with, at whatever frame or question, no
// packet and no close reason holds a word of it; the log has all of it under the reference that the peer is told.
import { describe, expect, it } from "vitest";
import { MessagingError } from "../message/errors.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import { binaryCodec, type Codec, jsonCodec } from "../protocol/index.ts";
import { KINDS } from "../protocol/questions/examples.fixture.ts";
import type { Commit, Store } from "../store/store.ts";
import { type BenchOptions, BrokerBench, changedStore, type TestClient } from "./broker.fixture.ts";
import { FRAMES, parkedScene, questionOf, Scene } from "./every-frame.fixture.ts";

/** Stands in every text that nobody but the log may have. */
const SECRET = "swordfish";
const PATH = `/var/data/${SECRET}`;
const ERRORS: Readonly<Record<string, () => unknown>> = {
  "an error of the platform": () => new Error(`connect ECONNREFUSED postgres://app:${SECRET}@db.internal:5432`),
  "something that is no error": () => `ENOSPC ${PATH}`,
  STORE_FAILED: () => new MessagingError("STORE_FAILED", `ENOSPC: write '${PATH}'`, { data: { path: PATH } }),
  STORE_IN_USE: () => new MessagingError("STORE_IN_USE", `"${PATH}" has another owner`, { data: { path: PATH } }),
  STORE_FULL: () => new MessagingError("STORE_FULL", `the disk of "${PATH}" is full`, { data: { topic: PATH } }),
  "a code that is not a store's": () => new MessagingError("FORBIDDEN", SECRET, { data: { topic: SECRET } }),
  "an error of ours with another behind it": () =>
    new MessagingError("UNAVAILABLE", `no answer from ${SECRET}`, { cause: new Error(SECRET), data: { name: SECRET } }),
};
const CODECS: readonly Codec[] = [binaryCodec, jsonCodec];

/** A store that fails with this, at all it is asked, from when it is told to. */
class FailingStore {
  fail: (() => unknown) | null = null;
  readonly of = (store: Store): Store => {
    const unlessFailing = <T>(ask: () => Promise<T>): Promise<T> =>
      this.fail === null ? ask() : Promise.reject(this.fail());
    return changedStore(store, {
      writer: () => {
        const writer = store.writer();
        return { commit: (...commit) => (this.fail === null ? writer.commit(...commit) : failed(this.fail())) };
      },
      get: (key) => unlessFailing(() => store.get(key)),
      list: (...of) => unlessFailing(() => store.list(...of)),
      read: (...of) => unlessFailing(() => store.read(...of)),
      extent: (log) => unlessFailing(() => store.extent(log)),
      verifyOwner: () => unlessFailing(() => store.verifyOwner()),
    });
  };
}
function failed(error: unknown): Commit {
  const commit = { flushed: Promise.reject(error), synced: Promise.reject(error) };
  for (const promise of [commit.flushed, commit.synced]) promise.catch(() => {});
  return commit;
}
/** Everything that has come to a client: nothing of it may hold the secret. Gives the references that it was told. */
function mustNotKnow({ packets, link, frames }: TestClient, doing: string): string[] {
  const bytes = Buffer.concat(packets);
  expect(bytes.includes(SECRET), `${doing}: ${bytes.toString("latin1").slice(-300)}`).toBe(false);
  expect(link.end?.reason ?? "").not.toContain(SECRET);
  return frames.flatMap((frame) => {
    const reference = "error" in frame ? frame.error?.data["reference"] : undefined;
    return typeof reference === "string" ? [reference] : [];
  });
}
function mustBeLogged(bench: BrokerBench, references: readonly string[]): void {
  for (const reference of references) {
    const lines = bench.entries.filter(({ data }) => data["reference"] === reference);
    expect(lines, `lines under ${reference}`).toHaveLength(1);
    expect(JSON.stringify(lines[0]?.data)).toContain(SECRET);
    expect(lines[0]?.data["stack"]).toBeDefined();
  }
}
type Say = (codec: Codec, options: BenchOptions, break_: () => void) => Promise<Scene>;
/** Each frame and each question, said once something has begun to fail. */
const SAID: Readonly<Record<string, Say>> = Object.fromEntries([
  ...(Object.keys(FRAMES) as ClientFrame["type"][])
    .filter((type) => type !== "hello" && type !== "goodbye")
    .flatMap((type) =>
      FRAMES[type].map((make, index): [string, Say] => [
        `${type} ${index + 1}`,
        async (codec, options, begin) => {
          const scene = await Scene.set(options, codec);
          const frame = await make(scene);
          begin();
          await scene.victim.say(frame);
          return scene;
        },
      ]),
    ),
  ...KINDS.map((kind): [string, Say] => [
    `ask ${kind}`,
    async (codec, options, begin) => {
      const { scene, entry } = await parkedScene(options, codec);
      begin();
      await scene.victim.say(scene.ask(questionOf(kind, entry)));
      return scene;
    },
  ]),
]);

describe.each(CODECS)("in $name, a client is told nothing of what", (codec) => {
  const all = Object.keys(ERRORS);
  const some = all.filter((_, index) => index % 3 === 0);
  it.each(codec === binaryCodec ? all : some)("a store fails with: %s", async (name) => {
    let told = 0;
    for (const [doing, say] of Object.entries(SAID)) {
      const store = new FailingStore();
      const scene = await say(codec, { store: store.of }, () => {
        store.fail = ERRORS[name] as () => unknown;
      });
      await scene.bench.runtime.advance(3_000); // the owner is looked at, too
      const references = mustNotKnow(scene.victim, doing);
      mustBeLogged(scene.bench, references);
      told += references.length;
    }
    expect(told).toBeGreaterThan(15);
  });
  it.each(some)("an authorizer throws: %s", async (name) => {
    let told = 0;
    for (const [doing, say] of Object.entries(SAID)) {
      let throws = false;
      const authorize = () => {
        if (throws) throw ERRORS[name]?.();
        return true;
      };
      const scene = await say(codec, { authorize }, () => {
        throws = true;
      });
      const references = mustNotKnow(scene.victim, doing);
      mustBeLogged(scene.bench, references);
      told += references.length;
    }
    expect(told).toBeGreaterThan(8);
  });
});

describe("what may be told", () => {
  it("is the text of an error of ours, and of its data what is on the list", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    await client.say({ type: "topic.find", request: client.next(), topic: "nope" });
    expect(client.last("refused").error).toEqual({
      code: "TOPIC_UNKNOWN",
      message: 'topic "nope" is not known here: name it in the broker\'s `topics`, or declare it',
      data: { topic: "nope" },
    });
    expect(bench.entries).toEqual([]);
  });
  it("of one failure that refuses many is one reference, and one line of the log", async () => {
    const store = new FailingStore();
    const scene = await Scene.set({ store: store.of });
    const error = new Error(`EIO ${PATH}`);
    store.fail = () => error;
    await scene.victim.say(scene.put, await (FRAMES["lane.open"][1] as (of: Scene) => ClientFrame)(scene));
    const references = mustNotKnow(scene.victim, "two");
    expect(references.length).toBeGreaterThan(1);
    expect(new Set(references).size).toBe(1);
    mustBeLogged(scene.bench, references);
  });
});
