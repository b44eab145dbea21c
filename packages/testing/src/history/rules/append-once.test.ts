import { describe, expect, it } from "vitest";
import { HistoryScript, placed, threeSent } from "../history-script.fixture.ts";

describe("P2 no duplicate appends", () => {
  it("finds a message appended twice", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("m0", "a", 0), 0);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.does(placed("m0", "a", 0), 2);
    lease.does(placed("m0", "a", 1), 3);
    expect(await script.broken()).toEqual({ P2: expect.stringContaining('"m0" was appended twice') });
  });

  it("finds a second append after a broker restart that took nothing", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("m0", "a", 0), 0);
    script.fault("kill", "broker#1");
    shop.sent(placed("m0", "a", 1, { logEpoch: 2 }));
    expect(await script.broken()).toEqual({ P2: expect.any(String) });
  });

  it("finds a second append of a message that had been delivered but never acknowledged", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.sending(placed("m0", "a", 0), 0);
    script
      .consumer("consumer-1#1")
      .granted(1, 1)
      .does(placed("m0", "a", 0), 2);
    script.fault("kill", "broker#1");
    shop.sent(placed("m0", "a", 1, { logEpoch: 2 }));
    expect(await script.broken()).toEqual({ P2: expect.any(String) });
  });

  it("finds two messages at one place", async () => {
    const script = new HistoryScript();
    script.producer("shop#1").send(placed("m0", "a", 0), 0);
    script.producer("kiosk#1").send(placed("m1", "b", 0), 0);
    expect(await script.broken()).toEqual({ P2: expect.stringContaining("one place holds two messages") });
  });

  it("lets a place go to another message and back only where the power failed, and past no receipt that covers that", async () => {
    const turns = async (fault: string, durability: "flushed" | "synced"): Promise<unknown> => {
      const script = new HistoryScript();
      const shop = script.producer("shop#1");
      const kiosk = script.producer("kiosk#1");
      shop.sending(placed("m0", "a", 0), 0, { durability });
      shop.sent(placed("m0", "a", 0), { durability });
      script.fault(fault, "broker#1");
      kiosk.sending(placed("m1", "b", 0), 0);
      kiosk.sent(placed("m1", "b", 0, { logEpoch: 2 }));
      script.fault(fault, "broker#2");
      shop.sent(placed("m0", "a", 0, { logEpoch: 3 }), { durability });
      return (await script.broken()).P2;
    };
    expect(await turns("powerLoss", "flushed")).toBeUndefined();
    expect(await turns("powerLoss", "synced")).toContain("one place holds two messages");
    expect(await turns("kill", "flushed")).toContain("one place holds two messages");
  });

  it("finds a message that was refused as not appended", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.sending(placed("m0", "a", 0), 0);
    shop.refused(placed("m0", "a", 0), { code: "SEND_TIMEOUT", outcome: "notAppended" });
    script
      .consumer("consumer-1#1")
      .granted(1, 1)
      .does(placed("m0", "a", 0), 2);
    expect(await script.broken()).toEqual({ P2: expect.stringContaining("refused as not appended") });
  });

  it("leaves open what became of a send without an answer, or with an unknown outcome", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    for (const [id, offset] of [
      ["there", 0],
      ["nowhere", 1],
      ["unknown", 2],
    ] as const)
      shop.sending(placed(id, "a", offset), offset);
    shop.refused(placed("unknown", "a", 2), { code: "OUTCOME_UNKNOWN", outcome: "unknown" });
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.does(placed("there", "a", 0), 2);
    lease.does(placed("unknown", "a", 1), 3);
    expect(await script.broken()).toEqual({});
  });

  it("leaves open an earlier attempt when only a later one was refused", async () => {
    const script = new HistoryScript();
    script.producer("shop#1").sending(placed("m0", "a", 0), 0);
    script.fault("kill", "shop#1");
    const again = script.producer("shop#2");
    again.sending(placed("m0", "a", 0), 0);
    again.refused(placed("m0", "a", 0), { code: "SEND_TIMEOUT", outcome: "notAppended" });
    script
      .consumer("consumer-1#1")
      .granted(1, 1)
      .does(placed("m0", "a", 0), 2);
    expect(await script.broken()).toEqual({});
  });

  it("accepts the same receipt again, and a resend after a lost memory tail", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("m0", "a", 0), 0, "memory");
    shop.send(placed("m1", "a", 1), 1, "memory");
    script.fault("kill", "broker#1");
    shop.sent(placed("m1", "a", 0, { logEpoch: 2 }), { durability: "memory" });
    shop.sent(placed("m1", "a", 0, { logEpoch: 2 }), { durability: "memory", duplicate: true });
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P2).toBeGreaterThan(2);
  });

  it("accepts the second place of a message redriven out of a dead-letter queue", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const lease = script.consumer("consumer-1#1", { exhausted: "dead-letter" }).granted(1, 1);
    lease.fails(m0);
    lease.deadLettered(m0, 2);
    lease.does(m1, 3);
    lease.does(m2, 4);
    script.admin("redriven", m0, 5);
    lease.does({ ...m0, offset: 3 }, 6);
    expect(await script.broken()).toEqual({});
  });

  it("treats lines that do not know the id as lines about the message at that place", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.fails(m0);
    for (const { offset } of [m0, m1]) {
      const line = { topic: "orders", queue: 0, group: "billing", consumer: "consumer-1", epoch: 1 };
      script.write("consumer-1#1", "parked", { ...line, offset, logEpoch: 1, id: null, key: "a", revision: 2 });
    }
    lease.does(m2, 3);
    script.state(3, { deadLettered: [0], parked: [1] });
    expect(await script.broken()).toEqual({});
  });
});
