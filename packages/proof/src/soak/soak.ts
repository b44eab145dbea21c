import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "@seriatim/rig";
import { boundVerdict, memoryVerdict, type Series, type Verdict } from "./flat.ts";
import type { RoleSettings, SoakOrder, SoakTell } from "./roles.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly peakSeconds: number;
  /** Between two looks at all processes. */
  readonly everySeconds: number;
  readonly log: (text: string) => void;
}
export interface SoakReport {
  readonly node: string;
  readonly minutes: number;
  /** Messages per second, end to end: as fast as they are taken, and what it was soaked with. */
  readonly peakPerSecond: number;
  readonly loadPerSecond: number;
  readonly handledPerSecond: number;
  readonly messages: number;
  /** Sends that failed, messages out of their place, or lost. */
  readonly wrong: readonly string[];
  readonly verdicts: readonly Verdict[];
  readonly series: readonly Series[];
  readonly passed: boolean;
}
const ROLES = ["broker", "producer", "consumer"] as const;
type RoleName = (typeof ROLES)[number];
/** An LMDB file grows by steps, and a look may come while a socket opens or closes. */
const STORE_SLACK_BYTES = 16 * 1024 * 1024;
const HANDLES_SLACK = 2;
/** Far beyond what any answer takes. */
const HANGS_MS = 120_000;
type Role = Child<SoakOrder, SoakTell>;

/**
 * Runs broker, producer and consumer over WebSocket and LMDB at half of their peak,
 * and looks at each at intervals, when what was sent has been handled.
 */
export async function soak(program: string, options: SoakOptions): Promise<SoakReport> {
  const dataFolder = await mkdtemp(join(tmpdir(), "seriatim-soak-"));
  const children = new Map<RoleName, Role>();
  try {
    let url = "";
    for (const role of ROLES) {
      const spec = { url, dataFolder } satisfies RoleSettings;
      const child: Role = new Child({ name: role, program, args: ["child", role], execArgv: ["--expose-gc"], spec });
      children.set(role, child);
      const ready = await child.hear("ready", HANGS_MS);
      url = ready.url ?? url;
    }
    const report = await run(children, options);
    for (const role of [...ROLES].reverse()) await children.get(role)?.end();
    return report;
  } finally {
    await Promise.all([...children.values()].map((child) => child.kill()));
    await rm(dataFolder, { recursive: true, force: true });
  }
}

async function run(children: ReadonlyMap<RoleName, Role>, options: SoakOptions): Promise<SoakReport> {
  const { minutes, peakSeconds, everySeconds, log } = options;
  const ask = <T extends SoakTell["type"]>(role: RoleName, order: SoakOrder & { readonly type: T }) =>
    (children.get(role) as Role).ask<T>(order, order.type, HANGS_MS);
  const handled = async (): Promise<number> => (await ask("consumer", { type: "count" })).handled;

  await ask("producer", { type: "send", perSecond: null });
  await sleep(peakSeconds * 250); // a quarter of it to warm up
  const [from, fromAt] = [await handled(), performance.now()];
  await sleep(peakSeconds * 750);
  const peakPerSecond = Math.round(((await handled()) - from) / ((performance.now() - fromAt) / 1_000));
  await ask("producer", { type: "stop" });
  await ask("consumer", { type: "drain" });
  const loadPerSecond = Math.max(1, Math.round(peakPerSecond / 2));
  log(`peak ${peakPerSecond} msgs/s; ${minutes} minutes at ${loadPerSecond}`);

  await ask("producer", { type: "send", perSecond: loadPerSecond });
  const startedAt = performance.now();
  const startedWith = await handled();
  const points = new Map<string, { minutes: number; value: number }[]>();
  const note = (name: string, value: number): void => {
    const all = points.get(name) ?? [];
    points.set(name, all);
    all.push({ minutes: (performance.now() - startedAt) / 60_000, value });
  };
  for (let n = 1; n * everySeconds <= minutes * 60; n++) {
    await sleep(Math.max(0, startedAt + n * everySeconds * 1_000 - performance.now()));
    await ask("producer", { type: "stop" }); // what is on its way would be noise in what stays
    await ask("consumer", { type: "drain" });
    const texts: string[] = [];
    for (const role of ROLES) {
      const { heap, rss, handles, fileDescriptors, storeBytes } = await ask(role, { type: "look" });
      note(`${role} heap`, heap);
      note(`${role} rss`, rss);
      note(`${role} handles`, handles);
      note(`${role} file descriptors`, fileDescriptors);
      if (storeBytes !== undefined) note("store", storeBytes);
      texts.push(`${role} ${(heap / 1e6).toFixed(1)} MB`);
    }
    await ask("producer", { type: "send", perSecond: loadPerSecond });
    log(`${Math.round((performance.now() - startedAt) / 1_000)} s: ${texts.join(", ")}`);
  }
  const handledPerSecond = Math.round(((await handled()) - startedWith) / ((performance.now() - startedAt) / 1_000));
  const sent = await ask("producer", { type: "stop" });
  const seen = await ask("consumer", { type: "drain" });

  const wrong = [...sent.wrong, ...seen.wrong];
  if (sent.sent !== seen.handled) wrong.push(`${sent.sent} messages were sent, ${seen.handled} handled`);
  const series = [...points].map(([name, all]) => ({ name, points: all }));
  const verdicts = series.flatMap((one) => {
    if (one.name.endsWith(" heap")) return [memoryVerdict(one)];
    if (one.name === "store") return [boundVerdict(one, STORE_SLACK_BYTES)];
    return one.name.endsWith(" rss") ? [] : [boundVerdict(one, HANDLES_SLACK)]; // RSS is the allocator's, shown and not judged
  });
  return {
    node: process.version,
    minutes,
    peakPerSecond,
    loadPerSecond,
    handledPerSecond,
    messages: seen.handled,
    wrong,
    verdicts,
    series,
    passed: wrong.length === 0 && verdicts.every(({ flat }) => flat),
  };
}
