import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "@seriatim/rig";
import { expectedOf } from "../frame/arrivals.ts";
import { nowMs } from "../frame/message.ts";
import { judgePieces, type Piece } from "../frame/pieces.ts";
import type { Measured } from "../frame/row.ts";
import { RUN_MS_MAX, type Run } from "../frame/run.ts";
import { LAST_WORDS_FILE, type LastWords, type Passage } from "../frame/talk.ts";
import { handledBy, refuse, startClocks, warmUp } from "./judged.ts";

/**
 * Long enough for every key to have been handled: all are connected, and share the queues, before the first is sent.
 */
const BEFORE_MS = 2_000;

/** Two consumers share the queues while messages are sent at a steady rate; one is killed. */
export async function consumerKilled(run: Run): Promise<Measured> {
  const { load } = run;
  const server = await run.server();
  const survivor = await run.role("receive", server.address);
  const victim = await run.role("receive", server.address);
  const sender = await run.role("send", server.address);
  await warmUp(sender, [survivor, victim]);
  await startClocks(sender, [survivor, victim]);
  await sleep(BEFORE_MS);
  victim.tell({ type: "die" });
  await victim.ended;
  const lastWords = JSON.parse(await readFile(join(run.folder, LAST_WORDS_FILE), "utf8")) as LastWords;
  const sent = await sender.hear("done", RUN_MS_MAX);
  survivor.tell({ type: "sent" });
  const received = await handledBy(survivor);
  const pieces = received.pieces ?? [];
  const arrivals = judgePieces([...lastWords.pieces, ...pieces], expectedOf(load));
  refuse(sent.wrong, received.wrong, arrivals.verdict());
  const waits = takenOver(lastWords, pieces);
  return {
    cpuMicros: {},
    figures: {
      "lease TTL, ms": load.leaseTtlMs,
      "its first key handled by another after, ms": Math.min(...waits),
      "all its keys handled by another after, ms": Math.max(...waits),
      "handled again, msgs": arrivals.again,
    },
  };
}
/** @returns for each key that the dead had: how long after its death another handled one of its messages, ms */
function takenOver(lastWords: LastWords, pieces: readonly Piece[]): readonly number[] {
  const keys = new Set(lastWords.pieces.map(({ key }) => key));
  if (keys.size === 0) throw new Error("the consumer that was killed had handled nothing");
  return [...keys].map((key) => {
    const after = pieces.filter((piece) => piece.key === key && piece.atMs > lastWords.atMs);
    return Math.min(...after.map(({ atMs }) => atMs)) - lastWords.atMs;
  });
}

/** The broker is killed while messages are sent at a steady rate, and started again at once. */
export async function brokerKilled(run: Run): Promise<Measured> {
  const { load } = run;
  const port = String(await freePort());
  const broker = await run.broker(port);
  const receiver = await run.role("receive", broker.address);
  const sender = await run.role("send", broker.address);
  await warmUp(sender, [receiver]);
  await startClocks(sender, [receiver]);
  await sleep(BEFORE_MS);
  const killedAtMs = nowMs();
  await broker.child.kill();
  await run.broker(port);
  const answersMs = nowMs() - killedAtMs;
  const sent = await sender.hear("done", RUN_MS_MAX);
  const received = await handledBy(receiver);
  refuse(sent.wrong, received.wrong);
  return {
    cpuMicros: {},
    figures: {
      "lease TTL, ms": load.leaseTtlMs,
      "broker answers again after, ms": answersMs,
      "first receipt after, ms": firstOf(sent.passages, killedAtMs),
      "first delivery after, ms": firstOf(received.passages, killedAtMs),
      "handled again, msgs": received.again ?? 0,
    },
  };
}
/** @returns how long after the kill the first message that was sent after it had passed, ms */
function firstOf(passages: readonly Passage[] = [], killedAtMs: number): number {
  const after = passages.filter(([sentAtMs]) => sentAtMs > killedAtMs).map(([, atMs]) => atMs);
  return Math.min(...after) - killedAtMs;
}
