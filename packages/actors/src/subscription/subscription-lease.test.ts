import { describe, expect, it } from "vitest";
import { FakePort, QueueBench, settlement, Talk } from "../queue/queue.fixture.ts";

async function held(keys: readonly string[] = ["a", "b", "c"], join = {}) {
  const bench = await QueueBench.open();
  const subscription = await bench.subscribe();
  bench.append(keys);
  await bench.settle();
  const talk = await Talk.hold(bench, subscription, "c", join);
  return { bench, subscription, talk };
}

describe("a lease", () => {
  it("is granted under an epoch that only grows, the first one the wall clock in seconds", async () => {
    const { bench, subscription, talk } = await held();
    expect(talk.epoch).toBe(Math.floor(bench.runtime.wallNow() / 1000));
    await talk.release();
    const next = await Talk.hold(bench, subscription, "d");
    expect(next.epoch).toBe(talk.epoch + 1);
  });
  it("is held by one: others are told by whom and for how long", async () => {
    const { bench, subscription } = await held();
    await bench.runtime.advance(4_000);
    const other = new Talk(bench, subscription, new FakePort("d"));
    await other.acquire();
    expect(other.port.last("refused").error).toMatchObject({
      code: "LEASE_HELD",
      data: { holder: "c", expiresInMs: 6_000 },
    });
  });
  it("is granted only once everything before it is stored", async () => {
    const { bench, subscription, talk } = await held();
    let let_ = () => {};
    bench.disk.beforeApply = () => new Promise((resolve) => (let_ = resolve));
    void talk.release([[0, 2]]);
    const next = new Talk(bench, subscription, new FakePort("d"));
    void next.acquire();
    await bench.settle();
    expect(next.port.frames).toEqual([]);
    bench.disk.beforeApply = undefined;
    let_();
    await bench.settle();
    expect(next.port.last("lease.granted").epoch).toBe(talk.epoch + 1);
    expect(subscription.account()).toMatchObject({ cursor: 2, settled: 2 });
  });
  it("expires when it is not renewed; what its holder says then changes nothing", async () => {
    const { bench, subscription, talk } = await held();
    await bench.runtime.advance(9_999);
    expect(subscription.lease.isHeld).toBe(true);
    await bench.runtime.advance(1);
    expect(talk.port.last("lease.ended")).toMatchObject({ epoch: talk.epoch, reason: "expired" });
    await talk.settle([[0, 3]]);
    expect(talk.port.last("settle.refused").error.code).toBe("STALE_EPOCH");
    await talk.put(0, "a");
    await talk.raise();
    await talk.release([[0, 3]]);
    expect(talk.port.all("refused").map((refused) => refused.error.code)).toEqual([
      "STALE_EPOCH",
      "STALE_EPOCH",
      "STALE_EPOCH",
    ]);
    expect(subscription.account()).toMatchObject({ backlog: 3, settled: 0 });
    expect(bench.vacancies).toBe(1);
  });
  it("is judged by the clock, not by its timer", async () => {
    const { subscription, talk, bench } = await held();
    const now = bench.runtime.now;
    bench.runtime.now = () => now() + 10_000; // resumed after a stop, and no timer has fired yet
    expect(subscription.lease.renew(talk.port, talk.epoch)).toBeNull();
    await talk.settle([[0, 1]]);
    expect(talk.port.last("settle.refused").error.code).toBe("STALE_EPOCH");
  });
  it("lives on while it is renewed, with one timer", async () => {
    const { bench, subscription, talk } = await held();
    for (let beat = 0; beat < 10; beat++) {
      await bench.runtime.advance(3_000);
      expect(subscription.lease.renew(talk.port, talk.epoch)).toBe(10_000);
    }
    expect(subscription.lease.isHeld).toBe(true);
    expect(bench.runtime.timers).toBe(1);
    await talk.release();
    expect(bench.runtime.timers).toBe(0);
  });
  it("belongs to a member instance: another one of that name does not renew, settle or release it", async () => {
    const { bench, subscription, talk } = await held();
    const thief = new Talk(bench, subscription, new FakePort("other", { name: "c" }));
    thief.epoch = talk.epoch;
    expect(subscription.lease.renew(thief.port, talk.epoch)).toBeNull();
    await thief.settle([[0, 1]]);
    await thief.release();
    await thief.acquire();
    expect(thief.port.all("settled")).toEqual([]);
    expect(thief.port.last("refused").error.code).toBe("LEASE_HELD");
    expect(subscription.lease.holder).toMatchObject({ instance: "c" });
  });
  it("asked for again by its holder without a resume, begins a new epoch", async () => {
    const { talk } = await held();
    await talk.acquire();
    expect(talk.port.last("lease.ended").epoch).toBe(talk.epoch);
    expect(talk.port.last("lease.granted").epoch).toBe(talk.epoch + 1);
  });
  it("an order to end one lease does not end the next", async () => {
    const { bench, subscription, talk } = await held();
    void talk.put(0, "a"); // has the turn
    void talk.release();
    const next = new Talk(bench, subscription, new FakePort("d"));
    void next.acquire();
    subscription.lease.end("released");
    await bench.settle();
    expect(subscription.lease.holder).toMatchObject({ member: "d" });
  });
});

describe("revoke", () => {
  it("lets renewals go on for as long as it said, and no longer", async () => {
    const { bench, subscription, talk } = await held();
    subscription.lease.revoke();
    expect(talk.port.last("lease.revoke")).toMatchObject({ withinMs: 5_000, epoch: talk.epoch });
    await bench.runtime.advance(4_000);
    expect(subscription.lease.renew(talk.port, talk.epoch)).toBe(10_000);
    await bench.runtime.advance(1_000);
    expect(subscription.lease.renew(talk.port, talk.epoch)).toBeNull();
    await talk.raise(); // is no way around it
    talk.epoch = talk.port.last("lease.granted").epoch;
    expect(talk.port.last("lease.granted").ttlMs).toBe(9_000);
    await bench.runtime.advance(9_000);
    expect(subscription.lease.isVacant).toBe(true);
  });
  it("is told again to a holder that comes back, with what is left of time and lease", async () => {
    const { bench, subscription, talk } = await held();
    subscription.lease.revoke();
    await bench.runtime.advance(6_000);
    talk.port = new FakePort("c");
    await talk.acquire({ epoch: talk.epoch, settle: settlement([]), inHand: [], redrivenInHand: [] });
    expect(talk.port.last("lease.granted").ttlMs).toBe(4_000);
    expect(talk.port.last("lease.revoke").withinMs).toBe(0);
  });
});

describe("after a restart", () => {
  it("a lease that was live keeps everybody else out for its recorded TTL", async () => {
    const { bench } = await held();
    await bench.runtime.advance(9_000);
    await bench.restart();
    const subscription = await bench.subscribe();
    expect(subscription.lease.isQuarantined).toBe(true);
    const other = new Talk(bench, subscription, new FakePort("d"));
    await other.acquire();
    expect(other.port.last("refused").error.code).toBe("LEASE_HELD");
    await bench.runtime.advance(10_000);
    await other.acquire();
    expect(other.port.all("lease.granted")).toHaveLength(1);
  });
  it("its holder comes back at once, under the next epoch: the old one is not resumed", async () => {
    const { bench, talk } = await held();
    await bench.restart();
    const subscription = await bench.subscribe();
    const back = new Talk(bench, subscription, new FakePort("c"));
    await back.acquire({ epoch: talk.epoch, settle: settlement([[0, 1]]), inHand: [], redrivenInHand: [] });
    expect(back.port.last("refused").error.code).toBe("STALE_EPOCH");
    expect(subscription.account().settled).toBe(0);
    await back.acquire();
    expect(back.port.last("lease.granted").epoch).toBe(talk.epoch + 1);
  });
  it("another member of the same client waits like everybody else", async () => {
    const { bench } = await held();
    await bench.restart();
    const subscription = await bench.subscribe();
    const other = new Talk(bench, subscription, new FakePort("c", { name: "second" }));
    await other.acquire();
    expect(other.port.last("refused").error.code).toBe("LEASE_HELD");
  });
  it("is its principal's: another one that shows its instance and its name neither resumes nor takes it, over a restart too", async () => {
    const bench = await QueueBench.open();
    const portOf = (principal: string) => Object.assign(new FakePort("c"), { principal });
    const resume = { settle: settlement([]), inHand: [], redrivenInHand: [] };
    const own = new Talk(bench, await bench.subscribe(), portOf("alice"));
    await own.acquire();
    const { epoch } = own.port.last("lease.granted");
    const other = portOf("mallory");
    const refused = async () => {
      const thief = new Talk(bench, await bench.subscribe(), other);
      await thief.acquire({ epoch, ...resume });
      await thief.acquire();
      return other.all("refused").map(({ error }) => error.code);
    };
    expect(await refused()).toEqual(["STALE_EPOCH", "LEASE_HELD"]);
    await bench.restart();
    expect(await refused()).toEqual(["STALE_EPOCH", "LEASE_HELD", "STALE_EPOCH", "LEASE_HELD"]);
    const back = new Talk(bench, await bench.subscribe(), portOf("alice"));
    await back.acquire();
    expect(back.port.last("lease.granted").epoch).toBe(epoch + 1);
  });
  it("nothing is quarantined that was given back", async () => {
    const { bench, talk } = await held();
    await talk.release();
    await bench.restart();
    expect((await bench.subscribe()).lease.isVacant).toBe(true);
  });
  it("the cursor, settled ranges, attempts and epoch are those that were stored", async () => {
    const { bench, subscription, talk } = await held(["a", "b", "c", "d"]);
    await talk.settle(
      [
        [0, 1],
        [2, 3],
      ],
      { tried: [[1, 2]] },
    );
    const before = subscription.account();
    await bench.restart();
    const after = await bench.subscribe();
    expect({ ...after.account(), logEpoch: before.logEpoch }).toEqual(before);
    expect(after.state.tried.get(1)).toEqual({ attempts: 2, losses: 0 });
    expect(after.lease.epoch).toBe(talk.epoch);
  });
});

describe("resume", () => {
  it("keeps the epoch, applies what was settled, and delivers only what is not in hand", async () => {
    const { bench, subscription, talk } = await held(["a", "b", "c", "d", "e"]);
    talk.port.open = false;
    talk.port = new FakePort("c");
    await talk.acquire({
      epoch: talk.epoch,
      settle: settlement([[0, 1]]),
      inHand: [
        [1, 2],
        [3, 4],
      ],
      redrivenInHand: [],
    });
    expect(talk.port.last("lease.granted").epoch).toBe(talk.epoch);
    expect(talk.port.delivered).toEqual([]);
    await talk.credit();
    expect(talk.port.delivered).toEqual([2, 4]);
    await talk.settle([[1, 5]]);
    expect(subscription.account()).toMatchObject({ settled: 5, cursor: 5 });
    expect(bench.runtime.timers).toBe(1);
  });
  it("takes nothing for granted that was never delivered", async () => {
    const { bench, subscription, talk } = await held(["a"]);
    talk.port = new FakePort("c");
    await talk.acquire({ epoch: talk.epoch, settle: settlement([[0, 50]]), inHand: [[1, 50]], redrivenInHand: [] });
    bench.append(["b"]);
    await talk.credit();
    expect(subscription.account()).toMatchObject({ settled: 1, backlog: 1 });
    expect(talk.port.delivered).toEqual([1]);
  });
  it("of redriven messages sends only the later ones", async () => {
    const { subscription, talk, bench } = await held(["a", "a"]);
    await talk.put(0, "a");
    const strand = subscription.aside.parked("a")!;
    await subscription.change(async () => ({
      writes: [subscription.aside.turn(strand, { phase: "redriving", attempts: 0, error: strand.error })],
      result: {},
    }));
    await bench.settle();
    talk.port = new FakePort("c");
    const redrivenInHand = [{ strand: strand.id, offset: 0 as never }];
    await talk.acquire({ epoch: talk.epoch, settle: settlement([]), inHand: [], redrivenInHand });
    await talk.credit();
    expect(talk.port.redelivered).toEqual([1]);
  });
});

describe("raise", () => {
  it("gives the next epoch without a vacancy; what is in hand carries over, credit counts anew", async () => {
    const { bench, subscription, talk } = await held();
    const before = talk.epoch;
    await talk.raise();
    talk.epoch = talk.port.last("lease.granted").epoch;
    expect(talk.epoch).toBe(before + 1);
    bench.append(["d"]);
    await bench.settle();
    expect(talk.port.delivered).toEqual([0, 1, 2]);
    await talk.credit();
    expect(talk.port.delivered).toEqual([0, 1, 2, 3]);
    await talk.settle([[0, 4]]);
    expect(subscription.account().settled).toBe(4);
    expect(bench.vacancies).toBe(0);
  });
  it("sends nothing under either epoch until the new one is stored", async () => {
    const { bench, talk } = await held(["a"]);
    let let_ = () => {};
    bench.disk.beforeApply = (writes) =>
      writes.some((write) => write.kind === "append") ? undefined : new Promise((resolve) => (let_ = resolve));
    bench.append(["b"]);
    void talk.raise();
    await bench.settle();
    bench.disk.beforeApply = undefined;
    let_();
    await bench.settle();
    for (const { epoch, batches } of talk.port.all("deliver"))
      for (const { offset } of batches) if (offset > 0) expect(epoch).toBe(talk.epoch + 1);
  });
});

describe("losses", () => {
  it("count for what was in hand of a lease that expired, and travel with the next delivery", async () => {
    const { bench, subscription } = await held(["a", "b", "c"], { concurrency: 2 });
    await bench.runtime.advance(10_000);
    const next = await Talk.hold(bench, subscription, "d", { concurrency: 2 });
    expect(next.port.last("deliver").tried).toEqual([
      [0, 0, 1],
      [1, 0, 1],
    ]);
  });
  it("do not count for a lease that was given back, or held nothing", async () => {
    const { bench, subscription, talk } = await held();
    await talk.release();
    const next = new Talk(bench, subscription, new FakePort("d"));
    await next.acquire();
    await bench.runtime.advance(10_000);
    expect([...subscription.state.tried]).toEqual([]);
  });
  it("merge with attempts by value and reach five over five leases", async () => {
    const { bench, subscription, talk } = await held(["a"]);
    await talk.settle([], { tried: [[0, 2]] });
    await talk.settle([], { tried: [[0, 1]] });
    for (let lost = 0; lost < 5; lost++) {
      await bench.runtime.advance(10_000);
      await Talk.hold(bench, subscription, `d${lost}`);
    }
    expect(subscription.state.tried.get(0)).toEqual({ attempts: 2, losses: 5 });
  });
});

describe("settle", () => {
  it("of what was never delivered is refused, whole", async () => {
    const { bench, subscription, talk } = await held();
    await talk.settle([
      [0, 1],
      [2, 9],
    ]);
    expect(talk.port.last("settle.refused").error.code).toBe("PROTOCOL_VIOLATION");
    expect(subscription.account().settled).toBe(0);
    expect(bench.told).toContain("settle.refused");
  });
  it("wakes whoever waits for the cursor, also when it comes with the release", async () => {
    const { subscription, talk, bench } = await held();
    let reached = "";
    for (const end of [2, 3]) subscription.whenReached(end, () => (reached += `${end}`));
    const cancel = subscription.whenReached(3, () => (reached += "x"));
    cancel();
    await talk.settle([[0, 2]]);
    expect(reached).toBe("2");
    await talk.release([[2, 3]]);
    await bench.settle();
    expect(reached).toBe("23");
  });
});
