import { readFile, writeFile } from "node:fs/promises";

/** What a server has in memory, in bytes. */
export interface ServerMemory {
  /** Its own: what is mapped from files, which the system takes back when it needs room, is left out. */
  readonly anonymous: number;
  readonly rss: number;
}
/** @returns undefined where the system does not tell (it does on Linux) */
export async function memoryOf(pid: number | undefined): Promise<ServerMemory | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
  const memory = { anonymous: bytes("RssAnon"), rss: bytes("VmRSS") };
  return Number.isNaN(memory.anonymous) || Number.isNaN(memory.rss) ? undefined : memory;
}
/** From now on `VmHWM` is the most that it has had from now on. */
async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, "5");
}
/**
 * What a server had more, at the most, while something was done than before it: of all its memory, bytes.
 * Misses nothing, however long it does not answer.
 */
export async function peakDuring<T>(
  pid: number | undefined,
  act: () => Promise<T>,
): Promise<{ readonly result: T; readonly peakBytes: number | undefined }> {
  const before = await memoryOf(pid);
  if (pid === undefined || before === undefined) return { result: await act(), peakBytes: undefined };
  await forgetPeak(pid);
  const result = await act();
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
  return { result, peakBytes: Math.max(0, peak - before.rss) };
}
const LOOK_MS = 100;

/** Looks again and again, and keeps the largest. */
export class MemoryWatch {
  readonly #timer: NodeJS.Timeout;
  #largest: ServerMemory | undefined;
  constructor(look: () => Promise<ServerMemory | undefined>) {
    this.#timer = setInterval(async () => {
      const seen = await look();
      if (seen === undefined) return;
      this.#largest = {
        anonymous: Math.max(this.#largest?.anonymous ?? 0, seen.anonymous),
        rss: Math.max(this.#largest?.rss ?? 0, seen.rss),
      };
    }, LOOK_MS);
  }
  /** @returns undefined when nothing was seen */
  end(): ServerMemory | undefined {
    clearInterval(this.#timer);
    return this.#largest;
  }
}
