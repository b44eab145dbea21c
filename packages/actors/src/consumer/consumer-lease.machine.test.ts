import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ActorRegistry } from "../runtime/actor-registry.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { consumerLeaseMachine, type LeaseEmitted, type LeaseEvent, statusOf } from "./consumer-lease.machine.ts";

function lease(options: { readonly isShared?: boolean } = {}) {
  const runtime = simulatedRuntime({ seed: 1 });
  const failures: unknown[] = [];
  const registry = new ActorRegistry({ runtime, onFailure: (_, error) => failures.push(error), dropped: () => {} });
  const seat = { kind: "worker", path: "w" } as const;
  const actor = registry.startLight(seat, consumerLeaseMachine, { isShared: options.isShared ?? false });
  const emitted: LeaseEmitted[] = [];
  actor.on("*", (event) => emitted.push(event));
  const where = () => {
    const { phase, epoch } = statusOf(actor.getSnapshot());
    return `${phase} ${epoch}`;
  };
  return {
    emitted,
    failures,
    where,
    send(...events: LeaseEvent[]): string {
      for (const event of events) actor.send(event);
      return where();
    },
  };
}
const granted: LeaseEvent = { type: "lease.granted", isLate: false };
const late: LeaseEvent = { type: "lease.granted", isLate: true };
const revoke = (withinMs: number, isClosing = false): LeaseEvent => ({ type: "lease.revoke", withinMs, isClosing });
const ended = (isToldAll = true): LeaseEvent => ({ type: "attempts.ended", isToldAll });

describe("the lease of a consumer", () => {
  it("is renewed before anything starts when it was granted late, however it was asked for", () => {
    const one = lease();
    expect(one.send(late)).toBe("serving late");
    expect(one.send({ type: "lease.renewed" })).toBe("serving current");
    expect(one.send({ type: "raise.due" }, late)).toBe("serving late");
    expect(one.send({ type: "link.lost" }, { type: "link.joined" }, late)).toBe("serving late");
  });
  it("asks one question at a time, again when it must, and goes on where it was", () => {
    const one = lease();
    one.send(granted, { type: "queue.halted" }, { type: "raise.due" }, { type: "raise.due" }, { type: "question.due" });
    expect(one.where()).toBe("halted raising");
    expect(one.send({ type: "link.lost" }, { type: "question.due" }, { type: "raise.due" })).toBe("halted unlinked");
    expect(one.send({ type: "link.joined" })).toBe("halted resuming");
    expect(one.send(granted)).toBe("halted current");
    expect(one.emitted).toEqual(["raise", "raise", "resume"].map((question) => ({ type: "question.asked", question })));
  });
  it("drains wherever it stands with the broker, sooner when it is told so again, and is then given back", () => {
    const one = lease();
    one.send(granted, { type: "link.lost" }, revoke(30_000), revoke(1_000), revoke(9_000));
    expect(one.where()).toBe("draining unlinked");
    expect(one.send(ended())).toBe("draining unlinked"); // a revoke waits for the next link
    expect(one.send({ type: "link.joined" }, granted, ended())).toBe("draining releasing");
    expect(one.send({ type: "lease.released" })).toBe("released null");
    expect(one.emitted).toEqual([
      ...[30_000, 1_000, 1_000].map((withinMs) => ({ type: "drain.begun", withinMs })),
      { type: "question.asked", question: "resume" },
      { type: "question.asked", question: "release" },
      { type: "lease.ended" },
    ]);
  });
  it("waits for no link when the consumer closes and all has been told", () => {
    const one = lease();
    expect(one.send(granted, { type: "link.lost" }, revoke(1_000, true), ended(false))).toBe("draining unlinked");
    expect(one.send(ended())).toBe("lost null");
    expect(one.emitted.slice(1)).toEqual([{ type: "lease.dropped", reason: "expired" }, { type: "lease.ended" }]);
  });
  it("drains at once when the revoke came before the grant", () => {
    const one = lease();
    expect(one.send(revoke(500, true))).toBe("acquiring null");
    expect(one.send(granted)).toBe("draining current");
  });
  it("is lost when it is offered anew, unless a question is open or it is on its way back", () => {
    const offered: LeaseEvent = { type: "lease.offered" };
    expect(lease().send(granted, offered)).toBe("lost null");
    expect(lease().send(granted, { type: "raise.due" }, offered)).toBe("serving raising");
    expect(lease().send(granted, revoke(1_000), offered)).toBe("draining current");
  });
  it("is none on an unordered topic: what is in hand ends with the link, and nothing is given back", () => {
    expect(lease({ isShared: true }).send(granted, { type: "link.lost" })).toBe("lost null");
    expect(lease({ isShared: true }).send(granted, ended())).toBe("serving current");
    const one = lease({ isShared: true });
    expect(one.send(granted, revoke(1_000), ended())).toBe("released null");
    expect(one.emitted.map(({ type }) => type)).toEqual(["drain.begun", "lease.ended"]);
  });
  it("ends once, drops what is in hand only when it is lost, and never leaves its phase for an earlier one", () => {
    const event = fc.constantFrom<LeaseEvent>(
      granted,
      late,
      { type: "lease.renewed" },
      { type: "lease.refused" },
      { type: "lease.released" },
      { type: "lease.offered" },
      { type: "lease.lost", reason: "fenced" },
      { type: "raise.due" },
      { type: "question.due" },
      { type: "link.lost" },
      { type: "link.joined" },
      { type: "queue.halted" },
      revoke(1_000),
      revoke(1_000, true),
      ended(),
      ended(false),
    );
    const order = ["acquiring", "serving", "halted", "draining", "released", "lost"];
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), fc.boolean(), (events, isShared) => {
        const one = lease({ isShared });
        let before = 0;
        for (const next of events) {
          const phase = order.indexOf(one.send(next).split(" ")[0] ?? "");
          expect(phase).toBeGreaterThanOrEqual(before);
          before = phase;
        }
        const types = one.emitted.map(({ type }) => type);
        const isOver = before >= order.indexOf("released");
        expect(types.filter((type) => type === "lease.ended").length).toBe(isOver ? 1 : 0);
        expect(types.filter((type) => type === "lease.dropped").length).toBe(order[before] === "lost" ? 1 : 0);
        expect(one.failures).toEqual([]);
      }),
    );
  });
});
