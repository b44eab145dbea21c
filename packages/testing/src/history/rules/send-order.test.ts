import { describe, expect, it } from "vitest";
import { HistoryScript, placed } from "../history-script.fixture.ts";

describe("P1 send order", () => {
  it("finds two messages of a key that stand the other way round", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("first", "a", 5), 0);
    shop.send(placed("second", "a", 3), 1);
    expect(await script.broken()).toEqual({ P1: expect.stringContaining('"first" before "second"') });
  });

  it("finds a key in two queues", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("first", "a", 0), 0);
    shop.send(placed("second", "a", 1, { queue: 1 }), 1);
    expect(await script.broken()).toEqual({ P1: expect.stringContaining("two queues") });
  });

  it("learns places from consumers too, also when no receipt came", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    const [first, second] = [placed("first", "a", 1), placed("second", "a", 0)];
    shop.sending(first, 0);
    shop.sending(second, 1);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.does(second, 2);
    lease.does(first, 3);
    expect(await script.broken()).toEqual({ P1: expect.stringContaining("orders/0 offset 1") });
  });

  it("goes on counting across restarts of the producer", async () => {
    const script = new HistoryScript();
    script.producer("shop#1").send(placed("first", "a", 7), 0);
    script.producer("shop#2").send(placed("second", "a", 2), 1);
    expect(await script.broken()).toEqual({ P1: expect.stringContaining("shop sent") });
  });

  it("finds one ordinal given to two messages", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("first", "a", 0), 0);
    shop.send(placed("second", "a", 1), 0);
    expect(await script.broken()).toEqual({ P1: expect.stringContaining("gives the place 0") });
  });

  it("finds an order that only turned in a later incarnation of the log", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("first", "a", 5), 0);
    shop.send(placed("second", "a", 3, { logEpoch: 2 }), 1);
    expect(await script.broken()).toEqual({ P1: expect.any(String) });
  });

  it("lets other producers, other keys and messages without a key stand anywhere", async () => {
    const script = new HistoryScript();
    const [shop, kiosk] = [script.producer("shop#1"), script.producer("kiosk#1")];
    shop.send(placed("m0", "a", 9), 0);
    kiosk.send(placed("m1", "a", 1), 0);
    shop.send(placed("m2", "b", 0), 0);
    shop.send(placed("m3", null, 8), 0);
    shop.send(placed("m4", null, 2, { queue: 1 }), 1);
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P1).toBeGreaterThan(0);
  });

  it("does not hold failover: available to it", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1", { failover: "available" });
    shop.send(placed("first", "a", 0), 0);
    shop.send(placed("second", "a", 1, { queue: 1 }), 1);
    expect(await script.broken()).toEqual({});
  });

  it("lets a lost memory tail be overwritten by what was sent after it", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("first", "a", 5), 0, "memory");
    shop.send(placed("second", "a", 6), 1, "memory");
    script.fault("kill", "broker#1");
    shop.tailLost(0, 2);
    shop.send(placed("third", "a", 5, { logEpoch: 2 }), 2, "memory");
    expect(await script.broken()).toEqual({});
  });

  it("passes over a message whose send was given up and called again later", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.sending(placed("first", "a", 0), 0);
    shop.refused(placed("first", "a", 0), { code: "QUEUE_FULL", outcome: "notAppended" });
    shop.send(placed("second", "a", 0), 1);
    shop.send(placed("first", "a", 1), 2);
    expect(await script.broken()).toEqual({});
  });

  it("leaves delayed messages to their due time", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    const late = placed("late", "a", 4);
    shop.sending(late, 0, { deliverAtMs: 5_000 });
    shop.send(placed("soon", "a", 3), 1);
    shop.sent(late);
    expect(await script.broken()).toEqual({});
  });
});
