import { type SeededRandom, seededRandom } from "../seeded-random.ts";

/** One thing that happened to one order. */
export interface OrderStep {
  readonly orderId: string;
  readonly type: OrderStepType;
  readonly atMs: number;
}
export type OrderStepType =
  | "placed" | "confirmed" | "paymentDeclined" | "paid" | "picked" | "backordered" | "packed" | "labelled" | "shipped"
  | "scanned" | "outForDelivery" | "deliveryFailed" | "delivered" | "reviewed" | "returnRequested" | "returned" | "refunded"; // biome-ignore format: one glance

/** Every order has at least this many steps, so that 2,000 orders make at least 20,000 events. */
export const STEPS_MIN = 10;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const FIRST_DAY = Date.UTC(2026, 0, 5);

/**
 * Order lifecycles as a shop sees them, grouped by order, each in its own order of time;
 * in life they interleave (a sort by time does that).
 */
export function orderLifecycles(options: { readonly seed: number; readonly orders: number }): OrderStep[] {
  const random = seededRandom(options.seed, "orders");
  const steps: OrderStep[] = [];
  const digits = Math.max(4, String(options.orders).length);
  for (let order = 1; order <= options.orders; order++) {
    const orderId = `order-${String(order).padStart(digits, "0")}`;
    // Orders come in over two weeks; each lives a few days, so that hundreds are open at once.
    let atMs = FIRST_DAY + random.between(0, 14 * 24 * HOUR);
    for (const [type, meanWaitMs] of lifecycle(random)) {
      // Whole minutes, as many real logs have them: ties between and inside orders do happen.
      atMs += random.exponential(meanWaitMs);
      steps.push({ orderId, type, atMs: Math.floor(atMs / MINUTE) * MINUTE });
    }
  }
  return steps;
}

type Step = readonly [type: OrderStepType, meanWaitMs: number];

function lifecycle(random: SeededRandom): Step[] {
  const steps: Step[] = [
    ["placed", 0],
    ["confirmed", MINUTE],
  ];
  while (random.chance(0.08)) steps.push(["paymentDeclined", 5 * MINUTE]);
  steps.push(["paid", 10 * MINUTE]);
  if (random.chance(0.1)) steps.push(["backordered", 2 * HOUR]);
  steps.push(["picked", 4 * HOUR], ["packed", 20 * MINUTE], ["labelled", 5 * MINUTE], ["shipped", 6 * HOUR]);
  const after: Step[] = [["outForDelivery", 8 * HOUR]];
  while (random.chance(0.1)) after.push(["deliveryFailed", 3 * HOUR], ["outForDelivery", 20 * HOUR]);
  after.push(["delivered", 3 * HOUR]);
  if (random.chance(0.3)) after.push(["reviewed", 24 * HOUR]);
  if (random.chance(0.12)) after.push(["returnRequested", 24 * HOUR], ["returned", 48 * HOUR], ["refunded", 12 * HOUR]);
  const scans = Math.max(1 + random.integer(4), STEPS_MIN - steps.length - after.length);
  for (let scan = 0; scan < scans; scan++) steps.push(["scanned", 6 * HOUR]);
  return [...steps, ...after];
}
