import type { Runtime } from "../runtime/runtime.ts";

/** One step of an ending. */
export interface EndStep {
  /** What it waits for, for people; asked when it was not waited for any longer. */
  what(): string;
  end(): Promise<unknown>;
}

/**
 * Takes the steps one after another, all of them, whichever fails. When `timeoutMs` have gone by, what is under way
 * is waited for no longer, and the steps after it are begun in the same turn, in case they can end by themselves.
 * @returns what has not ended by then. Rejects with the first failure, after the last step
 */
export async function endWithin(runtime: Runtime, timeoutMs: number, steps: readonly EndStep[]): Promise<string[]> {
  let timer: unknown = null;
  const late = new Promise<void>((resolve) => {
    timer = runtime.setTimeout(resolve, timeoutMs);
  });
  const failures: unknown[] = [];
  const waiting = new Set<EndStep>();
  for (const step of steps) {
    waiting.add(step);
    const ended = begin(step).then(
      () => waiting.delete(step),
      (error: unknown) => {
        waiting.delete(step);
        failures.push(error);
      },
    );
    await Promise.race([ended, late]);
  }
  runtime.clearTimeout(timer);
  if (waiting.size > 0) await new Promise<void>((resolve) => runtime.atTurnEnd(resolve));
  const left = steps.filter((step) => waiting.has(step)).map((step) => step.what());
  if (failures.length > 0) throw failures[0];
  return left;
}
/** One that throws at once has failed like any other. */
const begin = async (step: EndStep): Promise<unknown> => await step.end();
