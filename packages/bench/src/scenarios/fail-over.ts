import type { Row } from "../frame/row.ts";
import { SYNCED } from "./durable.ts";

const PER_SECOND = 500;
/** Before the kill and after it; what is sent while nobody handles it waits, however long the lease is. */
const SECONDS = 4;
const ours = { scenario: "fail-over", ours: true, system: "seriatim", variant: "synced", durable: SYNCED } as const;

/** How long until others handle what a killed process handled, beside the lease that it held. */
export const failOver: readonly Row[] = [2_000, 10_000].flatMap((leaseTtlMs) => {
  const load = {
    perSecond: PER_SECOND,
    messages: PER_SECOND * SECONDS,
    window: 100_000,
    warmUp: 0,
    repeats: true,
    leaseTtlMs,
  };
  const lease = `lease TTL ${leaseTtlMs / 1_000} s`;
  return [
    {
      ...ours,
      name: `fail-over: consumer killed, ${lease}`,
      way: "consumer killed",
      load: { ...load, consumers: 2 },
    },
    { ...ours, name: `fail-over: broker killed, ${lease}`, way: "broker killed", load },
  ];
});
