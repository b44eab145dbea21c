import { type Message, nowMs } from "./message.ts";
import type { Load, Sender } from "./system.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const TURN_MESSAGES = 256;

/** Waits until a message may be sent for reasons of its own. */
type HoldBack = (nth: number, allAcknowledged: () => Promise<void>) => Promise<void>;

/**
 * Sends the load's messages from one up to, not including, another, round the keys, as fast as the window or as often as the rate says.
 * Resolves when all are acknowledged. @returns the errors
 */
export async function drive(
  load: Load,
  sender: Pick<Sender, "send">,
  from: number,
  to: number,
  holdBack?: HoldBack,
): Promise<readonly string[]> {
  const errors: string[] = [];
  let inFlight = 0;
  let wake: (() => void) | undefined;
  let wakeAt = 0;
  const settled = (error?: unknown): void => {
    if (error !== undefined && error !== null && errors.length < 10) errors.push(String(error));
    inFlight -= 1;
    if (inFlight <= wakeAt) {
      wake?.();
      wake = undefined;
    }
  };
  const belowOrAt = (count: number): Promise<void> => {
    wakeAt = count;
    return inFlight <= count
      ? Promise.resolve()
      : new Promise((resolve) => {
          wake = resolve;
        });
  };
  const send = (nth: number): void => {
    const message: Message = { key: nth % load.keys, n: Math.floor(nth / load.keys), sentAtMs: nowMs() };
    inFlight += 1;
    sender.send(message, settled);
  };
  const startedMs = performance.now();
  for (let nth = from; nth < to; nth++) {
    if (load.perSecond > 0) {
      const waitMs = startedMs + ((nth - from) * 1000) / load.perSecond - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    // Sockets are read between turns, not only when the window is full.
    else if (nth % TURN_MESSAGES === TURN_MESSAGES - 1) await nextTurn();
    if (holdBack !== undefined && nth >= load.standing) await holdBack(nth, () => belowOrAt(0));
    if (inFlight >= load.window) await belowOrAt(load.window - 1);
    send(nth);
  }
  await belowOrAt(0);
  return errors;
}
