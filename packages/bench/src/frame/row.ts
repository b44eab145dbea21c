import type { Program } from "./programs.ts";
import type { Load } from "./system.ts";
import type { Latency } from "./talk.ts";

/** A server for one run. */
export interface RunningServer {
  readonly address: string;
  /** CPU it has used, ms; undefined where nobody can tell. */
  cpuMs(): Promise<number | undefined>;
  stop(): Promise<void>;
}
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
  /** Messages of this row as a share of those of a run: a slow kind of row takes fewer, a fast one more, both ours and theirs. @default 1 */
  readonly share?: number;
  readonly embedded?: true;
  readonly program?: Program;
  /** Starts the server in the folder; absent: the system's own `serve`, or none. */
  readonly startServer?: (folder: string, variant: string) => Promise<RunningServer>;
  /** On a "size" chart: the line this row is a point of, and the size. */
  readonly point?: { readonly line: string; readonly size: number };
}
export interface Measured {
  readonly messagesPerSecond: number;
  /** CPU of each process per message, µs, from the start signal. */
  readonly cpuMicros: Readonly<Record<string, number>>;
  readonly latency?: Latency;
}
