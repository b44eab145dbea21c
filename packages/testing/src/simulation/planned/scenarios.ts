import type { Dice } from "../chance/dice.ts";
import type { FaultPlan } from "../engine/fault-plan.ts";
import type { Clients } from "./draw-faults.ts";
import type { GroupPlan, ProducerPlan, TopicPlan } from "./plan.ts";

/** It kills until it is exhausted, and set aside. */
export const KILLS_ON = 1_000;
/** How long the load lasts while one is played. */
export const SCENARIO_MS = 12_000;
const BEAT_MS = 1_000;
const SHORT_BEAT_MS = 600;

/**
 * Faults in an order, and a stage to meet them on, that chance hardly ever draws: a rule that only they can break would
 * otherwise be tested by nothing.
 * Everything else of the run is drawn as always.
 */
export interface Scenario {
  /** The run is about one topic with one group, changed by these. */
  readonly topic?: Partial<TopicPlan>;
  readonly group?: Partial<GroupPlan>;
  readonly producer?: Partial<ProducerPlan>;
  readonly heartbeatMs: number;
  readonly syncMs?: number;
  /** What each packet takes. */
  readonly delayMs?: number;
  readonly faults: (dice: Dice, on: Clients) => FaultPlan[];
}

/** Holders always have more in their buffers than they can do. */
const BUSY: Partial<GroupPlan> = {
  exhausted: "park",
  concurrency: 1,
  inFlightMax: 256,
  workMs: 1_500,
  handlerTimeoutMs: 60_000,
  hangRate: 0,
  killerRate: 0,
};
const SPREAD: Partial<TopicPlan> = { queues: 8, ordered: true, keys: 20 };
/** Moments at which there is enough to do, so far apart that one is over before the next begins. */
const moments = (dice: Dice, count: number, apartMs: number): number[] => {
  const from = dice.whole(2_000, 3_000);
  return Array.from({ length: count }, (_, index) => from + index * apartMs);
};
const member = (dice: Dice, { consumers }: Clients): string => dice.pick(consumers).name;
const sender = (dice: Dice, { producers }: Clients): string => dice.pick(producers).name;

export const SCENARIOS: readonly Scenario[] = [
  {
    // A beat arrives; its answer is held back until just before the holder would stop by itself; nothing of the holder
    // arrives any more.
    heartbeatMs: SHORT_BEAT_MS,
    topic: SPREAD,
    group: { ...BUSY, leaseTtlMs: 4.3 * SHORT_BEAT_MS },
    faults: (dice, on) =>
      moments(dice, 3, 5.2 * SHORT_BEAT_MS).flatMap((atMs) => {
        const of = { kind: "partition", target: member(dice, on) } as const;
        return [
          { atMs, ...of, direction: "in", forMs: dice.whole(2.75 * SHORT_BEAT_MS, 2.9 * SHORT_BEAT_MS) },
          { atMs: atMs + 0.45 * SHORT_BEAT_MS, ...of, direction: "out", forMs: 4.5 * SHORT_BEAT_MS },
          { atMs: atMs + 2.95 * SHORT_BEAT_MS, ...of, direction: "in", forMs: 2.5 * SHORT_BEAT_MS },
        ];
      }),
  },
  {
    // A broker comes back at once, with a shorter longest lease; a holder of the old length does not hear of it.
    heartbeatMs: BEAT_MS,
    topic: SPREAD,
    group: { ...BUSY, leaseTtlMs: 12 * BEAT_MS },
    faults: (dice, on) =>
      moments(dice, 1, 0).map((atMs) => ({
        atMs,
        kind: "restartShorterTtl",
        target: member(dice, on),
        downMs: 0,
        ttlMs: 1.5 * BEAT_MS,
        forMs: 9 * BEAT_MS,
      })),
  },
  {
    // A holder is taken for dead; its successor has its name; the broker comes back too, and remembers leases; then the
    // first one wakes up.
    heartbeatMs: BEAT_MS,
    topic: SPREAD,
    group: { ...BUSY, leaseTtlMs: 12 * BEAT_MS },
    faults: (dice, on) =>
      moments(dice, 2, 4_500).flatMap((atMs): FaultPlan[] => [
        {
          atMs,
          kind: "outlive",
          target: member(dice, on),
          wakesAfterMs: dice.whole(1_500, 4_000),
          timersFirst: true,
        },
        { atMs: atMs + 200, kind: "kill", target: "broker", downMs: 0, silent: false },
      ]),
  },
  {
    // A holder's machine is suspended for longer than its lease; nothing but the wall clock tells it, and often nothing
    // that was sent to it will come.
    heartbeatMs: BEAT_MS,
    topic: SPREAD,
    group: { ...BUSY, leaseTtlMs: 3 * BEAT_MS },
    faults: (dice, on) =>
      moments(dice, 2, 4_800).flatMap((atMs): FaultPlan[] => {
        const target = member(dice, on);
        const isAlone = dice.chance(0.7);
        return [
          { atMs, kind: "freeze", target, forMs: 3_700, clockStops: true, deliveriesFirst: false },
          ...(isAlone ? [{ atMs, kind: "partition", target, direction: "in", forMs: 5_500 } as const] : []),
        ];
      }),
  },
  {
    // Batches wait for the disk; their links break, they are sent again on new ones; then what waited comes to nothing.
    heartbeatMs: BEAT_MS,
    producer: { durability: "flushed" },
    faults: (dice) =>
      moments(dice, 3, 3_000).flatMap((atMs): FaultPlan[] => {
        const goneAtMs = atMs + dice.whole(600, 1_000);
        return [
          { atMs, kind: "slowStore", eachMs: 3_000, forMs: 1_500 },
          { atMs: atMs + dice.whole(200, 500), kind: "cut", target: "broker" },
          dice.chance(0.5)
            ? { atMs: goneAtMs, kind: "failStore", rate: dice.pick([0.5, 1]), forMs: 2_000 }
            : { atMs: goneAtMs, kind: "kill", target: "broker", downMs: 50, silent: dice.chance(0.5) },
        ];
      }),
  },
  {
    // The power fails while a receipt is on its way that promises more than a flush.
    heartbeatMs: BEAT_MS,
    producer: { durability: "synced" },
    syncMs: 60,
    faults: (dice, on) =>
      moments(dice, 3, 2_500).map((atMs) => ({
        atMs,
        kind: "powerLoss",
        downMs: 300,
        lostShare: 1,
        onReceiptTo: sender(dice, on),
      })),
  },
  {
    // A producer's process with a full buffer is taken for dead, and goes on sending under a name that another has by
    // now.
    heartbeatMs: BEAT_MS,
    producer: { stableName: true, resends: false, bufferMessagesMax: 4 },
    faults: (dice, on) =>
      moments(dice, 4, 2_200).flatMap((atMs): FaultPlan[] => [
        { atMs, kind: "slowStore", eachMs: 1_000, forMs: 1_500 },
        { atMs: atMs + 500, kind: "outlive", target: sender(dice, on), wakesAfterMs: dice.pick([100, 300, 1_000]) },
      ]),
  },
  {
    // Batches are long on their way; one comes to nothing while others follow it, which are then not the next ones.
    heartbeatMs: BEAT_MS,
    delayMs: 5,
    producer: { durability: "flushed", resends: true },
    faults: (dice) =>
      moments(dice, 4, 2_200).flatMap((atMs): FaultPlan[] => [
        { atMs, kind: "slowLink", target: "broker", factor: 60, forMs: 2_000 },
        { atMs: atMs + 400, kind: "failStore", rate: dice.pick([0.5, 1]), forMs: 900 },
      ]),
  },
  {
    // Receipts are long on their way when the broker dies; nothing but their numbers tells the next one which batches
    // were there before.
    heartbeatMs: BEAT_MS,
    delayMs: 5,
    producer: { durability: "flushed", resends: false },
    faults: (dice) =>
      moments(dice, 4, 2_200).flatMap((atMs): FaultPlan[] => [
        { atMs, kind: "slowLink", target: "broker", factor: 100, forMs: 1_400 },
        { atMs: atMs + 1_300, kind: "kill", target: "broker", downMs: 50, silent: dice.chance(0.5) },
      ]),
  },
  {
    // A broker with batches that wait for the disk is taken for dead; it wakes up, and goes on writing beside its
    // successor.
    heartbeatMs: BEAT_MS,
    producer: { durability: "flushed" },
    faults: (dice) =>
      moments(dice, 3, 3_000).flatMap((atMs): FaultPlan[] => [
        { atMs, kind: "slowStore", eachMs: 500, forMs: 800 },
        { atMs: atMs + dice.whole(200, 700), kind: "takeOver", wakesAfterMs: dice.pick([100, 600, 1_500]) },
      ]),
  },
  {
    // A member comes and goes, and those who are asked to hand over to it have handlers that have not ended when they
    // have the queue back.
    heartbeatMs: BEAT_MS,
    topic: { queues: 4, ordered: true },
    group: {
      exhausted: "park",
      leaseTtlMs: 6 * BEAT_MS,
      handlerTimeoutMs: 60_000,
      handlerGraceMs: 8_000,
      revokeTimeoutMs: 300,
      hangRate: 0.1,
    },
    faults: (dice, on) => {
      const target = member(dice, on);
      return moments(dice, 5, 1_800).map((atMs) => ({ atMs, kind: "leave", target, downMs: 300 }));
    },
  },
  {
    // Messages that kill whoever handles them, and do not stop.
    heartbeatMs: SHORT_BEAT_MS,
    topic: { ordered: true, keys: 20 },
    group: { exhausted: "park", leaseTtlMs: 2 * SHORT_BEAT_MS, killerRate: 0.01, killsMax: KILLS_ON },
    faults: () => [],
  },
  {
    // What all groups have settled may go, and the only group there will ever be has not come yet.
    heartbeatMs: BEAT_MS,
    topic: { settledByAll: true },
    group: { startAt: "earliest", joinsAtMs: 3_500 },
    faults: () => [],
  },
];
