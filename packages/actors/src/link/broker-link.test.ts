import * as fc from "fast-check";
import { Subject } from "rxjs";
import { describe, expect, it } from "vitest";
import type { Link, LinkEnd } from "../contracts/transport.ts";
import { type Epoch, NO_EPOCH } from "../message/brands.ts";
import { isMessagingError } from "../message/errors.ts";
import type { Codec } from "../protocol/codec.ts";
import { leasesMax } from "../protocol/frame-bytes.ts";
import type { BrokerFrame, ReadFrame, Welcome } from "../protocol/frames.ts";
import { binaryCodec, jsonCodec } from "../protocol/index.ts";
import { NEWEST_VERSION, PROTOCOL_VERSIONS } from "../protocol/version.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { BrokerLink } from "./broker-link.ts";

const welcome: Welcome = {
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
};

async function setUp(codec: Codec = binaryCodec) {
  const runtime = simulatedRuntime({ seed: 1 });
  const down = new Subject<Uint8Array>();
  const sent: ReadFrame[] = [];
  const logged: [level: string, text: string, data: object][] = [];
  let end!: (end: LinkEnd) => void;
  const state = { closed: null as string | null, aborted: false, ends: 0 };
  const raw: Link = {
    frames$: down,
    bufferedBytes: 0,
    whenDrained: () => {},
    pause: () => {},
    resume: () => {},
    send: (packet) => sent.push(...codec.decode(packet)),
    close: (code) => {
      state.closed = code ?? "normal";
    },
    abort: () => {
      state.aborted = true;
    },
    ended: new Promise((resolve) => {
      end = resolve;
    }),
  };
  const link = new BrokerLink({
    link: raw,
    codec,
    runtime,
    logger: { log: (level, text, data) => logged.push([level, text, data]) },
    instance: "i",
    client: "c",
    number: 1,
    ordinal: null,
    onEnd: () => state.ends++,
    onLimited: () => {},
  });
  const receive = (...frames: BrokerFrame[]) => down.next(codec.encode(frames));
  receive(welcome);
  await runtime.settle();
  const lose = () => {
    down.complete();
    end({ code: "lost", reason: "cut" });
    return runtime.settle();
  };
  return { runtime, link, receive, bytes: (packet: Uint8Array) => down.next(packet), sent, state, logged, lose };
}
const granted = (request: number | null, grant: number): BrokerFrame => ({
  type: "lease.granted",
  request,
  member: 2,
  queue: 0,
  epoch: 5 as Epoch,
  ttlMs: 10_000,
  grant,
  revision: 1,
  logEpoch: 1,
});
const acquire = { type: "lease.acquire", member: 2, queue: 0, resume: null } as const;

describe("requests", () => {
  it("are matched with their answers, refusals included", async () => {
    const { link, receive, sent, runtime } = await setUp();
    const found = link.request<"topic.find">({ type: "topic.find", topic: "t" });
    const lease = link.request<"lease.acquire">(acquire).catch((error: unknown) => error);
    await runtime.settle();
    expect(sent.slice(1)).toMatchObject([
      { type: "topic.find", request: 1 },
      { type: "lease.acquire", request: 2 },
    ]);
    receive({ type: "refused", request: 2, error: { code: "LEASE_HELD", message: "held", data: { holder: "x" } } });
    receive({ type: "refused", request: 1, error: { code: "TOPIC_UNKNOWN", message: "no", data: {} } });
    expect(isMessagingError(await lease, "LEASE_HELD")).toBe(true);
    await expect(found).rejects.toMatchObject({ code: "TOPIC_UNKNOWN" });
  });
  it("reject with UNAVAILABLE when the link ends first, and from then on", async () => {
    const { link, lose, state } = await setUp();
    const asked = link.request<"topic.find">({ type: "topic.find", topic: "t" }).catch((error: unknown) => error);
    await lose();
    expect(await asked).toMatchObject({ code: "UNAVAILABLE", cause: { message: expect.stringContaining("cut") } });
    await expect(link.request<"lease.acquire">(acquire)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect([link.open, state.ends]).toEqual([false, 1]);
  });
  it("end the link when the answer is of another kind, or comes twice", async () => {
    for (const frames of [[granted(1, 1)], [granted(9, 1)]]) {
      const { link, receive, state, sent } = await setUp();
      void link.request<"topic.find">({ type: "topic.find", topic: "t" }).catch(() => {});
      receive(...frames);
      expect(state.closed).toBe("violation");
      expect(sent.at(-1)).toMatchObject({ type: "goodbye", error: { code: "PROTOCOL_VIOLATION" } });
    }
  });
});

describe("streams", () => {
  it("carry the frames of one lane or member, and complete when the link ends", async () => {
    const { link, receive, lose } = await setUp();
    const seen: string[] = [];
    const note = (name: string) => ({
      next: ({ type }: { type: string }) => seen.push(`${name} ${type}`),
      complete: () => seen.push(`${name} over`),
    });
    link.lane$(1).subscribe(note("lane 1"));
    link.member$(2).subscribe(note("member 2"));
    link.member$(3).subscribe(note("member 3")).unsubscribe();
    receive(
      { type: "lane.kept", lane: 1, epoch: NO_EPOCH, kept: 0 as never },
      { type: "lane.kept", lane: 9, epoch: NO_EPOCH, kept: 0 as never },
      { type: "lease.offered", member: 2, queue: 1 },
      { type: "lease.offered", member: 3, queue: 1 },
      granted(null, 1),
    );
    await lose();
    link.lane$(5).subscribe(note("late"));
    expect(seen).toEqual([
      "lane 1 lane.kept",
      "member 2 lease.offered",
      "member 2 lease.granted",
      "lane 1 over",
      "member 2 over",
      "late over",
    ]);
  });
});

describe("heartbeats", () => {
  it("end the link when something of ours goes wrong: the next one beats again", async () => {
    const { link, runtime, sent, state } = await setUp();
    link.heartbeats({
      workers: 0,
      leases: () => {
        throw new Error("not foreseen");
      },
      answered: () => {},
    });
    await runtime.advance(1_000);
    expect([state.closed, link.open, sent.at(-1)?.type]).toEqual(["internal", false, "goodbye"]);
    expect(runtime.timers).toBe(0);
  });
  it("list every source's leases in one frame, and tell each when the beat was sent", async () => {
    const { link, receive, sent, runtime } = await setUp();
    const answers: unknown[] = [];
    const lease = { member: 2, queue: 0, epoch: 5 as Epoch };
    link.heartbeats({
      workers: 1,
      leases: () => [lease],
      answered: ({ sentAt, renewed }) => answers.push([sentAt.now, renewed.length]),
    });
    const second = { workers: 1, leases: () => [{ ...lease, queue: 1 }], answered: () => answers.push("gone") };
    const leave = link.heartbeats(second);
    await runtime.advance(1_000);
    expect(sent.at(-1)).toMatchObject({ type: "heartbeat", beat: 1, leases: [{ queue: 0 }, { queue: 1 }] });
    leave();
    await runtime.advance(300);
    receive({ type: "heartbeat.answered", beat: 1, renewed: [{ ...lease, ttlMs: 9_000 }], ended: [] });
    expect(answers).toEqual([[1_000, 1]]);
    link.beat();
    await runtime.settle();
    expect(sent.at(-1)).toMatchObject({ type: "heartbeat", beat: 2, leases: [{ queue: 0 }] });
  });
  it("have room for as many leases as fit, with all numbers as large as they may be", async () => {
    for (const codec of [binaryCodec, jsonCodec]) {
      const { link } = await setUp(codec);
      const most = leasesMax(codec.name, welcome.frameBytesMax);
      const large = Number.MAX_SAFE_INTEGER;
      const leases = Array.from({ length: most }, () => ({ member: large, queue: 4_095, epoch: large as Epoch }));
      const frame = { type: "heartbeat", beat: large, grantsSeen: large, leases } as const;
      expect(codec.encode([frame]).length).toBeLessThanOrEqual(welcome.frameBytesMax);
      link.heartbeats({ workers: most - 1, leases: () => [], answered: () => {} });
      expect(link.hasLeaseRoom).toBe(true);
      link.heartbeats({ workers: 1, leases: () => [], answered: () => {} });
      expect(link.hasLeaseRoom).toBe(false);
    }
  });
  it("count a grant as seen only when whoever asked has surely recorded it", async () => {
    const { link, receive, sent, runtime } = await setUp();
    const beats = () => sent.filter((frame) => frame.type === "heartbeat").map(({ grantsSeen }) => grantsSeen);
    const asked = link.request<"lease.acquire">(acquire);
    await runtime.settle();
    receive(granted(1, 1));
    link.beat(); // in the same turn: the lease is on nobody's list yet
    await asked;
    await runtime.advance(0);
    link.beat();
    await runtime.settle();
    expect(beats()).toEqual([0, 1]);
  });
  it("are sent once in a turn of their own, however often they are asked for soon", async () => {
    const { link, sent, runtime } = await setUp();
    const beats = () => sent.filter((frame) => frame.type === "heartbeat").length;
    for (let grant = 0; grant < 1_000; grant++) link.beatSoon();
    await runtime.settle();
    expect(beats()).toBe(0);
    await runtime.advance(0);
    expect(beats()).toBe(1);
    link.beatSoon();
    link.abort();
    expect(runtime.timers).toBe(0);
  });
  it("abort a link that stays silent for three of them", async () => {
    const { link, receive, runtime, state } = await setUp();
    await runtime.advance(2_500);
    receive({ type: "heartbeat.answered", beat: 1, renewed: [], ended: [] });
    await runtime.advance(3_000);
    expect(link.open).toBe(true);
    await runtime.advance(1_000);
    expect([link.open, state.aborted, runtime.timers]).toEqual([false, true, 0]);
  });
});

it("ends with a violation on whatever is no frame for a client, and never throws", async () => {
  const { link } = await setUp();
  expect(link.open).toBe(true);
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: 80 }),
        fc
          .uint8Array({ maxLength: 80 })
          .map((tail) => new Uint8Array([...binaryCodec.encode([welcome]).subarray(0, 3), ...tail])),
      ),
      async (packet) => {
        const one = await setUp();
        one.bytes(packet);
        await one.runtime.settle();
        expect(one.link.open || one.state.closed === "violation" || one.state.closed === "normal").toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});
it("ends with a violation on a second welcome and on frames that clients send", async () => {
  for (const frame of [
    welcome,
    { type: "topic.find", request: 1, topic: "t" },
    { type: "hello", versions: PROTOCOL_VERSIONS, instance: "i", link: 1, client: "c", ordinal: null },
  ] as const) {
    const { receive, state } = await setUp();
    receive(frame as BrokerFrame);
    expect(state.closed).toBe("violation");
  }
});
