import { describe, expect, it } from "vitest";
import {
  type ConsumerScript,
  HistoryScript,
  type LeaseScript,
  type Placed,
  placed,
  threeSent,
} from "../history-script.fixture.ts";

const FLOW = { topic: "orders", group: "billing", queue: 0 };

/** Handles a message of key "a" and commits a version with it. */
function commit(
  script: HistoryScript,
  consumer: ConsumerScript,
  lease: LeaseScript,
  message: Placed,
  of: { version: number; from: unknown; to: unknown; epoch: number },
): void {
  lease.handling(message);
  lease.handled(message);
  lease.settled(message, 10 * of.epoch + of.version);
  script.write(consumer.process, "transition", {
    ...FLOW,
    key: message.key,
    id: message.id,
    offset: message.offset,
    ...of,
  });
}

function flow() {
  const script = new HistoryScript();
  const messages = threeSent(script);
  const consumer = script.consumer("flow-1#1");
  const lease = consumer.granted(1, 1);
  return { script, messages, consumer, lease };
}

describe("P10 effectively once", () => {
  it("finds a version committed twice", async () => {
    const { script, messages, consumer, lease } = flow();
    const [m0, m1] = messages;
    commit(script, consumer, lease, m0, { version: 1, from: null, to: "open", epoch: 1 });
    script.write("flow-2#1", "transition", {
      ...FLOW,
      key: "a",
      id: "m1",
      version: 1,
      from: null,
      to: "paid",
      epoch: 1,
    });
    lease.handling(m1);
    expect((await script.broken()).P10).toBe(
      'version 1 of key "a" was committed twice: to "open" by flow-1#1, to "paid" by flow-2#1',
    );
  });

  it("finds a missing version when nobody was killed", async () => {
    const { script, messages, consumer, lease } = flow();
    const [m0, m1] = messages;
    commit(script, consumer, lease, m0, { version: 1, from: null, to: "open", epoch: 1 });
    commit(script, consumer, lease, m1, { version: 3, from: "paid", to: "done", epoch: 1 });
    lease.released(19);
    script.end(consumer.process);
    expect(await script.broken()).toEqual({
      P10: expect.stringContaining('version 2 of key "a" is missing before version 3'),
    });
  });

  it("finds versions that do not fit, and a message that caused two", async () => {
    const { script, messages, consumer, lease } = flow();
    const [m0] = messages;
    commit(script, consumer, lease, m0, { version: 1, from: null, to: "open", epoch: 1 });
    script.write(consumer.process, "transition", {
      ...FLOW,
      key: "a",
      id: "m0",
      version: 2,
      from: "paid",
      to: "done",
      epoch: 1,
    });
    const { violations } = await script.check();
    expect(violations.map(({ promise, text }) => [promise, text])).toEqual([
      ["P10", 'version 2 of key "a" by flow-1#1 starts from "paid", but version 1 by flow-1#1 ended in "open"'],
      ["P10", 'message "m0" caused two versions of key "a": 1 by flow-1#1 and 2 by flow-1#1'],
    ]);
  });

  it("finds a stored snapshot that is not the end of the chain", async () => {
    for (const snapshots of [
      { a: { version: 1, state: "shut" } },
      { a: { version: 0, state: null } },
      { b: { version: 0, state: null } },
    ]) {
      const { script, messages, consumer, lease } = flow();
      const [m0, m1, m2] = messages;
      commit(script, consumer, lease, m0, { version: 1, from: null, to: "open", epoch: 1 });
      lease.does(m1, 20);
      lease.does(m2, 21);
      script.end(consumer.process);
      script.state(3, { snapshots });
      expect(Object.keys(await script.broken())).toEqual(["P10"]);
    }
  });

  it("finds an emission with two places, and one of a message that nobody handled", async () => {
    const { script, messages, consumer, lease } = flow();
    const [m0] = messages;
    lease.does(m0, 2);
    script.write(consumer.process, "emitted", { cause: "m0", index: 0, id: "e0", topic: "mails" });
    script.write(consumer.process, "emitted", { cause: "m0", index: 0, id: "e1", topic: "mails" });
    script.write(consumer.process, "emitted", { cause: "m1", index: 0, id: "e2", topic: "mails" });
    lease.fails(messages[1]);
    const mailer = script.consumer("mailer#1").granted(1, 1, { topic: "mails" });
    for (const [offset, id] of ["e0", "e1", "e2"].entries())
      mailer.does(placed(id, "a", offset, { topic: "mails" }), 2 + offset);
    const { violations } = await script.check();
    expect(violations.map(({ promise, text }) => [promise, text])).toEqual([
      ["P10", 'emission 0 of message "m0" has two places: mails/0 offset 0 and mails/0 offset 1'],
      ["P10", 'emission 0 of message "m1" stands at mails/0 offset 2, but no handling of that message ended well'],
    ]);
  });

  it("finds an emission that never arrived though its cause was settled", async () => {
    const { script, messages, consumer, lease } = flow();
    for (const [index, message] of messages.slice(0, 2).entries()) {
      script.write(consumer.process, "emitted", { cause: message.id, index: 0, id: `e${index}`, topic: "mails" });
      lease.does(message, 2 + index);
    }
    script
      .consumer("mailer#1")
      .granted(1, 1, { topic: "mails" })
      .does(placed("e0", "a", 0, { topic: "mails" }), 2);
    script.state(1, { topic: "mails" });
    expect(await script.broken()).toEqual({ P10: expect.stringContaining('"e1" to mails, is nowhere') });
  });

  it("accepts a chain across processes, where one that was killed wrote no line", async () => {
    const { script, messages, consumer, lease } = flow();
    const [m0, m1, m2] = messages;
    const m3 = placed("m3", "a", 3);
    commit(script, consumer, lease, m0, { version: 1, from: null, to: { order: "open", paid: false }, epoch: 1 });
    lease.handling(m1);
    lease.handled(m1);
    script.fault("kill", consumer.process);
    const heir = script.consumer("flow-2#1");
    const next = heir.granted(2, 20);
    next.does(m2, 21);
    commit(script, heir, next, m3, { version: 3, from: "paid", to: "done", epoch: 2 });
    script.end(heir.process);
    script.state(4, { snapshots: { a: { version: 3, state: "done" } } });
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P10).toBeGreaterThan(0);
  });

  it("accepts a missing version of a process that was cut off with its commit unconfirmed", async () => {
    const { script, messages, consumer, lease } = flow();
    const [m0, m1] = messages;
    const m3 = placed("m3", "a", 3);
    commit(script, consumer, lease, m0, { version: 1, from: null, to: "open", epoch: 1 });
    lease.handling(m1);
    lease.handled(m1);
    lease.lost();
    script.end(consumer.process);
    const heir = script.consumer("flow-2#1");
    const next = heir.granted(2, 12);
    commit(script, heir, next, m3, { version: 3, from: "paid", to: "done", epoch: 2 });
    script.end(heir.process);
    expect(await script.broken()).toEqual({});
  });

  it("compares states whatever the order of their fields", async () => {
    const { script, messages, consumer, lease } = flow();
    const [m0, m1] = messages;
    commit(script, consumer, lease, m0, { version: 1, from: null, to: { a: 1, b: { c: 2, d: 3 } }, epoch: 1 });
    commit(script, consumer, lease, m1, { version: 2, from: { b: { d: 3, c: 2 }, a: 1 }, to: "done", epoch: 1 });
    expect(await script.broken()).toEqual({});
  });

  it("accepts an emission written again by a second attempt", async () => {
    const { script, messages, consumer, lease } = flow();
    const [m0] = messages;
    lease.handling(m0);
    script.write(consumer.process, "emitted", { cause: "m0", index: 0, id: "e0-1", topic: "mails" });
    script.write(consumer.process, "emitted", { cause: "m0", index: 1, id: "e1-1", topic: "mails" });
    lease.failed(m0);
    lease.handling(m0, 2);
    script.write(consumer.process, "emitted", { cause: "m0", index: 0, id: "e0-2", topic: "mails" });
    lease.handled(m0, 2);
    lease.settled(m0, 2);
    script
      .consumer("mailer#1")
      .granted(1, 1, { topic: "mails" })
      .does(placed("e0-2", "a", 0, { topic: "mails" }), 2);
    script.state(1, { topic: "mails" });
    expect(await script.broken()).toEqual({});
  });
});
