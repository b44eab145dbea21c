import type { QueueView } from "@seriatim/actors";

/** What is to be seen at one moment of a run. */
export interface Frame {
  readonly phase: "starting" | "running" | "draining" | "closing" | "checking";
  readonly elapsedMs: number;
  readonly events: number;
  readonly sent: number;
  readonly dealtWith: number;
  readonly handled: number;
  readonly failed: number;
  /** Messages dealt with a second, of late. */
  readonly perSecond: number;
  readonly brokerAnswers: boolean;
  readonly queues: readonly QueueView[];
}

/** Where a run is shown. */
export interface View {
  /** A line that stays: a fault that strikes, say. */
  say(text: string, kind?: "fault" | "plain"): void;
  /** The state of things, as often as there is one; a view shows what it can. */
  show(frame: Frame): void;
  /** Leaves the last state on the screen and lets go of it. Idempotent. */
  close(): void;
}
