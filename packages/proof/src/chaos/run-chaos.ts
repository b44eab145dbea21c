import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { csvLog, describePlan, FAULT_KINDS, type FaultKind, generatedLog, planRounds } from "@seriatim/rig";
import { provenance } from "../provenance.ts";
import { DataDisk } from "./data-disk.ts";
import { canInjectIoErrors } from "./io-errors.ts";
import type { ChaosOptions } from "./options.ts";
import { type ChaosReport, chaosReport, reportText } from "./report.ts";
import { playRound, type RoundNow } from "./round.ts";
import { emptyTally } from "./tally.ts";
import { View } from "./view.ts";

/** A real log beside the repository; read from there, never copied. Where it is not, orders are generated. */
const EVENT_LOG = fileURLToPath(new URL("../../../../../shared/data/bpi13-incidents.csv", import.meta.url));

/** Some 60,000 events, as many as the real log has. */
const GENERATED_ORDERS = 5_000;
/** The plans of so many have every kind of fault; whether each then strikes, the machine decides. */
const ROUNDS_MIN = 2;

/** Plays rounds until the time is over, and prints what they showed; resolves with the exit status. */
export async function runChaos(options: ChaosOptions, signal: AbortSignal): Promise<number> {
  const { seed, minutes, rate, from } = options;
  const madeOn = provenance();
  const startedAt = performance.now();
  const log = existsSync(EVENT_LOG)
    ? await csvLog({ file: EVENT_LOG, key: "CaseID", time: "CompleteTimestamp" })
    : generatedLog({ seed, orders: GENERATED_ORDERS });
  const base = options.keep === null ? mkdtempSync(join(tmpdir(), "seriatim-chaos-")) : resolve(options.keep);
  mkdirSync(base, { recursive: true });
  const canMount = options.mount && DataDisk.canMount(join(base, "probe"));
  const canFailIo = canInjectIoErrors();
  const unavailable = new Set<FaultKind>(canFailIo ? [] : ["io-error"]);
  const means = {
    diskFullBy: canMount ? "a tmpfs of its own and a filler" : "the store's capacity, made small",
    ioErrorsBy: canFailIo ? "strace" : "left out: strace cannot be used here",
  };
  const view = new View(process.stdout);
  view.say(
    `chaos, seed ${seed}: ${minutes} min at ${rate} msgs/s of ${log.source}. Full disk: ${means.diskFullBy}. EIO: ${means.ioErrorsBy}.`,
  );
  const tally = emptyTally();
  const until = performance.now() + minutes * 60_000;
  let interrupted = false;
  for (const plan of planRounds(seed)) {
    if (plan.round < from) continue;
    const played = plan.round - from;
    const lacksKind = FAULT_KINDS.some((kind) => !unavailable.has(kind) && tally.byKind[kind] === 0);
    const isTimeOver = performance.now() >= until && !(options.everyKind && lacksKind);
    const isOver = options.rounds === null ? played >= ROUNDS_MIN && isTimeOver : played >= options.rounds;
    if (isOver || tally.failedRounds >= options.failuresMax) break;
    view.say(describePlan(plan));
    const folder = join(base, `round-${plan.round}`);
    const show = (now: RoundNow): void => view.show(() => lineOf(plan.round, until, tally.failedRounds, now));
    try {
      const problems = await playRound({ plan, seed, rate, log, folder, canMount, unavailable, signal, show }, tally);
      if (problems.length === 0) continue;
      tally.failedRounds++;
      view.say(`round ${plan.round} of seed ${seed} FAILED; histories and data: ${folder}\n${problems.join("\n")}`);
      view.say(`again: npm run chaos -- --seed ${seed} --from ${plan.round} --rate ${rate} --rounds 1`);
    } catch (error) {
      if (!signal.aborted) throw error;
      interrupted = true;
      rmSync(folder, { recursive: true, force: true });
      break;
    }
  }
  view.close();
  const verdict: ChaosReport["verdict"] = tally.failedRounds > 0 ? "violated" : interrupted ? "interrupted" : "clean";
  const report = chaosReport(tally, { seed, minutes, rate, verdict, ...means });
  console.log(reportText(report));
  const seconds = Math.round((performance.now() - startedAt) / 1_000); // `minutes` is what was asked for
  if (options.json !== null)
    writeFileSync(options.json, `${JSON.stringify({ ...madeOn, ...report, seconds }, null, 2)}\n`);
  if (readdirSync(base).length === 0) rmSync(base, { recursive: true });
  return verdict === "clean" ? 0 : verdict === "interrupted" ? 130 : 1;
}

function lineOf(
  round: number,
  until: number,
  failed: number,
  { phase, acknowledged, events, struck }: RoundNow,
): string {
  const left = Math.max(0, Math.round((until - performance.now()) / 1_000));
  return `round ${round}, ${phase}: ${acknowledged.toLocaleString("en")} of ${events.toLocaleString("en")} acknowledged, ${struck} faults struck; ${failed} rounds failed; ${left} s left`;
}
