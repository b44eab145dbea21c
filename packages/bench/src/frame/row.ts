import type { Latency } from "./latency.ts";
import type { Program } from "./programs.ts";
import type { ServerMemory } from "./server-memory.ts";
import type { Load } from "./system.ts";
import type { Traffic } from "./traffic.ts";

/** A server for one run. */
export interface RunningServer {
  readonly address: string;
  /** CPU it has used, ms; undefined where nobody can tell. */
  cpuMs(): Promise<number | undefined>;
  /** undefined where nobody can tell */
  memory(): Promise<ServerMemory | undefined>;
  /** The broker's process, where it is ours. */
  readonly pid?: number;
  stop(): Promise<void>;
}
/** What happens in a run, and which part of it is timed; each is a file in `ways`. */
export type Way =
  /**
   * Producer and consumer at once:
   * from the first send after the warm-up to the last acknowledgement of a handled message.
   */
  | "together"
  /** The same, in one process. */
  | "embedded"
  /** The producer alone, until all is acknowledged; what it sent is read and judged afterwards. */
  | "sending"
  /**
   * The consumer alone, from when it has handled the warm-up to the last acknowledgement:
   * what it handles was sent before.
   */
  | "draining"
  /** Producer and consumer at once, with so many messages standing between them all the time. */
  | "standing"
  /** A broker is started on what another has stored. */
  | "start-up"
  | "consumer killed"
  | "broker killed"
  /** A part of the system alone. */
  | "probe"
  /** What `npm run resources` measures. */
  | "resources"
  /** What a kind of frame, sent without end, costs the broker, and others who wait. */
  | "cost";
export interface Row {
  readonly name: string;
  readonly scenario: string;
  readonly ours: boolean;
  /** Is a message durable before its producer is told so, and how? */
  readonly durable: string;
  /** The system as `systems.ts` names it, and what is asked of it. */
  readonly system: string;
  readonly variant: string;
  readonly load: Partial<Load>;
  /**
   * Messages of this row as a share of those of a run:
   * a slow kind of row takes fewer, a fast one more, both ours and theirs.
   * @default 1
   */
  readonly share?: number;
  /** @default "together" */
  readonly way?: Way;
  /** What Node is told that runs our broker. */
  readonly brokerExecArgv?: readonly string[];
  /** Tells the server's memory, in the ways "sending" and "draining". */
  readonly watchesMemory?: true;
  readonly program?: Program;
  /** Starts the server in the folder; absent: the system's own `serve`, or none. */
  readonly startServer?: (folder: string, variant: string) => Promise<RunningServer>;
  /** On a "size" chart: the line this row is a point of, and the size. */
  readonly point?: { readonly line: string; readonly size: number };
}
export interface Measured {
  /** Absent where something else is measured. */
  readonly messagesPerSecond?: number;
  /** CPU of each process per measured message, µs, warm-up left out. */
  readonly cpuMicros: Readonly<Record<string, number>>;
  readonly latency?: Latency;
  readonly traffic?: Traffic;
  /** What is measured besides, or instead, under names that end with their unit. */
  readonly figures?: Readonly<Record<string, number>>;
}
