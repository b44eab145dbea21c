import { setTimeout as sleep } from "node:timers/promises";
import type { Attack, Attacked } from "../cost/attack-orders.ts";
import { figureNames, IDLE, NAMES } from "../cost/figures.ts";
import { RawLink } from "../cost/raw-link.ts";
import type { PrincipalName } from "../cost/wire.ts";
import { Latencies, type Latency } from "../frame/latency.ts";
import type { Measured } from "../frame/row.ts";
import { RUN_MS_MAX, type Run } from "../frame/run.ts";
import { peakDuring } from "../frame/server-memory.ts";

const BEAT_EVERY_MS = 5;
const IDLE_MS = 500;
/** Of the load that CPU is measured with; that of memory is one burst. */
const BYTES_MAX = 16 * 1024 * 1024;
const BURST_BYTES = 1024 * 1024;
/** A burst whose broker would take longer is smaller. */
const BURST_CPU_MS = 2_000;
const BURST_BYTES_MIN = 1_024;

/** What the broker used for something. */
interface Used {
  readonly attacked: Attacked;
  readonly cpuMs: number;
  /** undefined where the system does not tell */
  readonly memoryBytes: number | undefined;
}

/**
 * What the bytes of one kind of frame cost the broker, those of somebody who may do nothing
 * and those of somebody who may do everything; and how long another link waits meanwhile.
 */
export async function cost(run: Run): Promise<Measured> {
  const { row, load } = run;
  const broker = await run.broker();
  const attacker = await run.role("attack", broker.address);
  const brokerEnds = broker.child.ended.then(() => {
    throw new Error("the broker's process has ended");
  });
  brokerEnds.catch(() => {}); // at the end it does
  const act = async (attack: Attack): Promise<Attacked> =>
    (await Promise.race([attacker.ask({ type: "attack", attack }, "attacked", RUN_MS_MAX), brokerEnds])).attacked;
  const inUse = async (): Promise<number> =>
    (await broker.child.ask({ type: "collect" }, "collected", RUN_MS_MAX)).usedBytes;
  const used = async (attack: Attack): Promise<Used> => {
    const before = { bytes: await inUse(), cpuMs: await broker.child.cpuMs() };
    const { result, peakBytes } = await peakDuring(broker.pid, () => act(attack));
    const cpuMs = (await broker.child.cpuMs()) - before.cpuMs;
    // what it had more at the peak, or keeps: it may have had room for that
    const memoryBytes = peakBytes === undefined ? undefined : Math.max(peakBytes, (await inUse()) - before.bytes);
    return { attacked: result, cpuMs, memoryBytes };
  };
  // A tenth of the backlog as ms: short where the run is to be small.
  const ms = load.standing / 10;
  await act({ what: "prepare" });
  await act({ what: "append", ms }); // code is compiled
  const witness = await Witness.open(broker.address);
  const idle = await witness.during(() => sleep(IDLE_MS));
  const appended = await used({ what: "append", ms });
  const byte = perByte(appended);
  const figures: Record<string, number> = {
    [NAMES.appendedCpu]: byte.cpuNs,
    ...(byte.memory === undefined ? {} : { [NAMES.appendedMemory]: byte.memory }),
    ...latencyAs(IDLE, idle.latency),
  };
  for (const principal of ["stranger", "worker"] as const) {
    const send = (more: { readonly ms: number; readonly bytesMax: number }): Attack => ({
      what: "send",
      entry: row.variant,
      principal,
      ...more,
    });
    await act(send({ ms: ms / 2, bytesMax: BYTES_MAX })); // code is compiled
    const sent = await used(send({ ms, bytesMax: BYTES_MAX }));
    const { latency } = await witness.during(() => act(send({ ms, bytesMax: BYTES_MAX })));
    const { cpuNs } = perByte(sent);
    const bytesMax = Math.max(BURST_BYTES_MIN, Math.min(BURST_BYTES, (BURST_CPU_MS * 1e6) / cpuNs));
    const burst = await used(send({ ms, bytesMax }));
    Object.assign(figures, figuresOf(principal, sent, burst, byte), latencyAs(principal, latency));
    figures[figureNames(principal).waitedTimes] = latency.p99Ms / idle.latency.p99Ms;
  }
  witness.end();
  return { cpuMicros: {}, figures };
}
function perByte({ attacked, cpuMs, memoryBytes }: Used): {
  readonly cpuNs: number;
  readonly memory: number | undefined;
} {
  const { bytes } = attacked;
  return { cpuNs: (cpuMs * 1e6) / bytes, memory: memoryBytes === undefined ? undefined : memoryBytes / bytes };
}
function figuresOf(
  principal: PrincipalName,
  sent: Used,
  burst: Used,
  appended: ReturnType<typeof perByte>,
): Record<string, number> {
  const names = figureNames(principal);
  const { cpuNs } = perByte(sent);
  const { memory } = perByte(burst);
  const figures: Record<string, number> = {
    [names.bytes]: sent.attacked.bytes / sent.attacked.frames,
    [names.sent]: sent.attacked.bytes,
    [names.cpu]: cpuNs,
    [names.cpuTimes]: cpuNs / appended.cpuNs,
  };
  if (memory !== undefined && appended.memory !== undefined) {
    figures[names.memory] = memory;
    figures[names.memoryTimes] = memory / appended.memory;
  }
  for (const [what, count] of Object.entries(sent.attacked.heard)) figures[names.answered(what)] = count;
  return figures;
}
const latencyAs = (
  principal: PrincipalName | typeof IDLE,
  { p50Ms, p99Ms, maxMs }: Latency,
): Record<string, number> => {
  const names = figureNames(principal);
  return { [names.p50]: p50Ms, [names.p99]: p99Ms, [names.longest]: maxMs };
};

/** Somebody who does nothing but beat, on a link of its own. */
class Witness {
  readonly #link: RawLink;
  static async open(url: string): Promise<Witness> {
    return new Witness(await RawLink.open(url, "worker"));
  }
  private constructor(link: RawLink) {
    this.#link = link;
  }
  /** How long its heartbeats had to wait for their answers while something was done. */
  async during<T>(act: () => Promise<T>): Promise<{ readonly result: T; readonly latency: Latency }> {
    const latencies = new Latencies();
    let isOver = false;
    const beating = async (): Promise<void> => {
      while (!isOver) {
        const sentAt = performance.now();
        const { frame, isAnswered } = this.#link.mark();
        this.#link.say([frame]);
        await this.#link.until(isAnswered, "the answer to a heartbeat");
        latencies.note(performance.now() - sentAt);
        await sleep(BEAT_EVERY_MS);
      }
    };
    const acting = act().finally(() => {
      isOver = true;
    });
    const [result] = await Promise.all([acting, beating()]);
    return { result, latency: latencies.latency };
  }
  end(): void {
    this.#link.abort();
  }
}
