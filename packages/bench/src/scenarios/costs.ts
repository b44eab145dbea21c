import type { Row } from "../frame/row.ts";
import { NOTHING_KEPT, SYNCED } from "./durable.ts";
import type { Extent } from "./extent.ts";
import { WARM_UP_SECONDS } from "./latency.ts";

const PRODUCERS = 64;
const RECORDS = 20_000;
const PER_SECOND = 5_000;
const scenario = "costs";
const ours = { scenario, ours: true } as const;
/** One message in flight for each producer: whatever they send comes as batches of one, in turn. */
const inTurn = { queues: 1, keys: PRODUCERS, window: PRODUCERS } as const;
const memory = { ...ours, system: "seriatim", variant: "memory", way: "embedded", durable: NOTHING_KEPT } as const;
const store = { ...ours, system: "lmdb store", way: "probe", durable: SYNCED } as const;

/** What must not grow with what has piled up, or be paid by those who happen to come then. */
export const costs = ({ seconds, most }: Extent): readonly Row[] => [
  { ...memory, name: `costs: ${PRODUCERS} producers in turn on one queue`, load: { ...inTurn, producers: PRODUCERS } },
  {
    ...store,
    name: "costs: records listed from the journal",
    variant: "listing",
    load: { messages: Math.min(most, RECORDS) },
  },
  {
    ...store,
    name: `costs: commits at ${PER_SECOND.toLocaleString("en")}/s while the journal is moved`,
    variant: "moves",
    load: { perSecond: PER_SECOND, messages: PER_SECOND * seconds, warmUp: PER_SECOND * WARM_UP_SECONDS },
  },
];
