// Who holds a lease, beside a reference model: grants, expiry by the clock, renewals, revokes, raises, and the
// quarantine after a restart.
import fc from "fast-check";
import { expect, it } from "vitest";
import { createActor } from "xstate";
import { type Epoch, NO_EPOCH } from "../message/brands.ts";
import type { Holder } from "./holder.ts";
import { isHeld, type LeaseDecision, leaseMachine } from "./lease.machine.ts";

const FIRST_EPOCH = 1_000 as Epoch;
const HOLDERS: readonly Holder[] = [
  { instance: "i1", member: "a", ttlMs: 100 },
  { instance: "i2", member: "a", ttlMs: 150 },
  { instance: "i1", member: "b", ttlMs: 40 },
];
const at = (n: number): Holder => HOLDERS[n] as Holder;

class Model {
  epoch: number = NO_EPOCH;
  holder: Holder | null = null;
  /** Whether the holder is one of before a restart. */
  quarantined = false;
  endsAt = 0;
  noRenewalFrom = Number.POSITIVE_INFINITY;
  told: string[] = [];

  get held(): boolean {
    return this.holder !== null && !this.quarantined;
  }
  grant(holder: Holder, now: number): void {
    const isRecorded =
      this.quarantined && this.holder?.instance === holder.instance && this.holder.member === holder.member;
    if (this.holder !== null && !isRecorded) return;
    this.epoch = this.epoch === NO_EPOCH ? FIRST_EPOCH : this.epoch + 1;
    this.holder = holder;
    this.quarantined = false;
    this.endsAt = now + holder.ttlMs;
    this.noRenewalFrom = Number.POSITIVE_INFINITY;
    this.told.push(`granted ${this.epoch}`);
  }
  renew(now: number): void {
    if (this.held && now < this.noRenewalFrom) this.endsAt = now + (this.holder as Holder).ttlMs;
  }
  raise(now: number): void {
    if (!this.held) return;
    this.epoch += 1;
    this.renew(now);
  }
  revoke(withinMs: number, now: number): void {
    if (this.held && this.noRenewalFrom === Number.POSITIVE_INFINITY) this.noRenewalFrom = now + withinMs;
  }
  end(reason: string): void {
    if (this.holder === null || (this.quarantined && reason === "released")) return;
    this.told.push(`ended ${this.epoch} ${reason} ${this.holder.instance} ${this.holder.member}`);
    this.#vacate();
  }
  look(now: number): void {
    if (this.holder !== null && now >= this.endsAt) this.end("expired");
  }
  restart(now: number): void {
    this.quarantined = this.holder !== null;
    this.endsAt = now + (this.holder?.ttlMs ?? 0);
    this.noRenewalFrom = Number.POSITIVE_INFINITY;
    if (this.holder === null) this.told.push("vacant");
  }
  #vacate(): void {
    this.holder = null;
    this.quarantined = false;
    this.told.push("vacant");
  }
}

const step = fc.oneof(
  fc.record({ do: fc.constant("grant" as const), holder: fc.nat(HOLDERS.length - 1) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 160 }) }),
  fc.record({ do: fc.constant("revoke" as const), withinMs: fc.integer({ min: 0, max: 120 }) }),
  fc.record({ do: fc.constantFrom("renew", "raise", "release", "fence", "restart", "look") }),
);

it("has one holder under an epoch that only grows, until the clock, the holder or a newer grant says otherwise", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const model = new Model();
      const told: string[] = [];
      let now = 0;
      const note = (event: LeaseDecision) => {
        if (event.type === "lease.granted") told.push(`granted ${event.epoch}`);
        else if (event.type === "queue.vacant") told.push("vacant");
        else told.push(`ended ${event.epoch} ${event.reason} ${event.holder.instance} ${event.holder.member}`);
      };
      const start = () => {
        const recorded = { epoch: model.epoch as Epoch, holder: model.holder };
        const started = createActor(leaseMachine, { input: { recorded, firstEpoch: FIRST_EPOCH, at: now } });
        started.on("*", note);
        started.start();
        return started;
      };
      let actor = start();
      model.restart(now);
      let highest = 0;
      for (const one of steps) {
        switch (one.do) {
          case "grant":
            actor.send({ type: "lease.grant", holder: at(one.holder), at: now });
            model.grant(at(one.holder), now);
            break;
          case "wait":
            now += one.ms;
            break;
          case "revoke":
            actor.send({ type: "lease.revoke", withinMs: one.withinMs, at: now });
            model.revoke(one.withinMs, now);
            break;
          case "renew":
            actor.send({ type: "lease.renew", at: now });
            model.renew(now);
            break;
          case "raise":
            actor.send({ type: "lease.raise", at: now });
            model.raise(now);
            break;
          case "release":
            actor.send({ type: "lease.release" });
            model.end("released");
            break;
          case "fence":
            actor.send({ type: "lease.end", reason: "fenced" });
            model.end("fenced");
            break;
          case "look":
            actor.send({ type: "lease.check", at: now });
            model.look(now);
            break;
          case "restart":
            actor.stop();
            model.restart(now);
            actor = start();
            break;
        }
        const snapshot = actor.getSnapshot();
        expect(told).toEqual(model.told);
        expect([isHeld(snapshot), snapshot.context.holder, snapshot.context.epoch]).toEqual([
          model.held,
          model.holder,
          model.epoch,
        ]);
        if (model.holder !== null) expect(snapshot.context.deadline).toBe(model.endsAt);
        expect(model.epoch).toBeGreaterThanOrEqual(highest); // P7
        highest = model.epoch;
      }
      actor.stop();
    }),
    { numRuns: 300 },
  );
});
