// The committer on lmdb with transactions that take as long as they like,
// are refused or fail, while writers commit and the store closes.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoreWriter } from "@seriatim/actors";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { Committer } from "./committer.ts";
import { Journal } from "./journal.ts";
import { openFolder } from "./open-folder.ts";
import { settingsOf } from "./options.ts";
import { recordAt } from "./reads.ts";
import { Room } from "./room.ts";
import { recordOf } from "./view.ts";

const WRITERS = 3;
const { append, sync } = Journal.prototype;
const act = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("commit" as const), writer: fc.nat(WRITERS - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("fail" as const, "fail sync" as const, "renew" as const) }) },
);

it.each([
  ["without a journal", 0],
  ["with a journal of a few transactions", 4_096],
])(
  "settles every commit once, each writer's as a prefix, and keeps what it told as flushed, %s",
  async (_, journalBytes) => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(act, { maxLength: 30 }), fc.boolean(), async (s, acts, isCrashing) => {
        const path = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
        const settings = { ...settingsOf({ path, bytesMax: 2 ** 28, transactionBytesMax: 600 }), journalBytes };
        const opened = await openFolder(path, settings);
        const committer = new Committer(path, settings, opened, new Room(path, settings.bytesMax, settings.runtime));
        try {
          while (journalBytes > 0 && !committer.isJournaling)
            await committer.queue.writer().commit([{ kind: "remove", key: "none" }]).synced;
          let failing = 0;
          let failingSyncs = 0;
          const appends = vi.spyOn(Journal.prototype, "append").mockImplementation(function (this: Journal, bytes) {
            if (failing === 0) return append.call(this, bytes);
            failing--;
            this.isBroken = true;
            throw new Error("disk");
          });
          const syncs = vi.spyOn(Journal.prototype, "sync").mockImplementation(async function (this: Journal) {
            await s.schedule(Promise.resolve(), "sync");
            if (failingSyncs === 0) return sync.call(this);
            failingSyncs--;
            this.isBroken = true;
            throw new Error("disk");
          });
          let patched: unknown;
          /** Transactions of the environment there is now wait for the scheduler. */
          const slow = () => {
            const { owner } = committer.data.env;
            if (owner === patched) return;
            patched = owner;
            const write = owner.ifVersion.bind(owner);
            Object.assign(owner, {
              ifVersion: async (...args: Parameters<typeof write>) => {
                await s.schedule(Promise.resolve(), "transaction");
                if (failing > 0) {
                  failing--;
                  throw new Error("disk");
                }
                return write(...args);
              },
            });
          };
          slow();
          const generations = Array.from({ length: WRITERS }, () => ({
            writer: committer.queue.writer(),
            outcomes: [] as string[],
          }));
          const all = [...generations];
          const waiting: Promise<void>[] = [];
          const commit = (
            n: number,
            { writer, outcomes }: { writer: StoreWriter; outcomes: string[] },
          ): Promise<void> => {
            const place = outcomes.push("pending") - 1;
            const tell = (outcome: string) => {
              expect(outcomes[place]).toBe("pending"); // once
              if (outcome === "flushed") expect(outcomes.slice(0, place)).not.toContain("pending"); // in order
              outcomes[place] = outcome;
            };
            const { flushed, synced } = writer.commit([
              { kind: "put", key: `k/${n}`, value: new Uint8Array(150).fill(n) },
            ]);
            waiting.push(
              synced.then(
                () => expect(outcomes[place]).toBe("flushed"),
                () => expect(outcomes[place]).not.toBe("pending"),
              ),
            );
            return flushed.then(
              () => {
                tell("flushed");
                expect(recordOf(committer.data, `k/${n}`)).toBeDefined();
              },
              (error: unknown) => {
                tell("failed");
                expect(error).toMatchObject({ code: "STORE_FAILED" });
              },
            );
          };
          const kept = new Set<number>();
          for (const [n, one] of acts.entries()) {
            waiting.push(
              s.schedule(Promise.resolve(), `act ${n}`).then(async () => {
                await committer.reopening;
                slow();
                if (one.do === "fail") failing++;
                else if (one.do === "fail sync") failingSyncs++;
                else if (one.do === "renew") {
                  const at = n % WRITERS;
                  const next = { writer: committer.queue.writer(), outcomes: [] };
                  generations[at] = next;
                  all.push(next);
                } else if (one.do === "commit") {
                  const to = generations[one.writer] as (typeof generations)[0];
                  const before = to.outcomes.length;
                  await commit(n, to);
                  if (to.outcomes[before] === "flushed") kept.add(n);
                }
              }),
            );
          }
          await s.waitFor(Promise.all(waiting));
          while (s.count() > 0) await s.waitOne();
          await s.waitFor(committer.idle());
          await Promise.all(waiting); // with what was to be told of syncs
          appends.mockRestore();
          syncs.mockRestore();
          for (const { outcomes } of all) {
            expect(outcomes).not.toContain("pending");
            const failure = outcomes.indexOf("failed");
            if (failure >= 0) expect(outcomes.slice(failure)).not.toContain("flushed");
          }
          // as a process finds it that opens the data next: exactly what was told
          await s.waitFor(isCrashing ? committer.abandon() : committer.close());
          const again = await openFolder(path, settings);
          for (let n = 0; n < acts.length; n++)
            expect(recordAt(again.data.env, `k/${n}`) !== undefined, `k/${n}`).toBe(kept.has(n));
          await again.data.env.root.close();
        } finally {
          rmSync(path, { recursive: true, force: true });
        }
      }),
      { numRuns: 40 },
    );
  },
);
