import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ProgramError } from "@seriatim/rig";
import type { DemoOptions } from "./settings.ts";

/** Where a run keeps what. */
export interface WorkFolders extends AsyncDisposable {
  /** Removed at the end. */
  readonly workDir: string;
  readonly historyDir: string;
  readonly dataPath: string;
  /** No earlier run has left anything in `dataPath`. */
  readonly freshData: boolean;
  readonly reportFile: string | null;
}

/** Makes the folders of a run; histories of an earlier run in the same `--out` are removed. @throws `OUT_UNUSABLE` */
export async function workFolders(options: Pick<DemoOptions, "out" | "data">): Promise<WorkFolders> {
  const workDir = await mkdtemp(join(tmpdir(), "seriatim-demo-"));
  const remove = (): Promise<void> => rm(workDir, { recursive: true, force: true, maxRetries: 3 });
  try {
    const out = options.out === null ? null : resolve(options.out);
    const historyDir = join(out ?? workDir, "history");
    await mkdir(historyDir, { recursive: true });
    for (const name of await readdir(historyDir)) if (name.endsWith(".jsonl")) await rm(join(historyDir, name));
    const dataPath = options.data === null ? join(workDir, "data") : resolve(options.data);
    await mkdir(dataPath, { recursive: true });
    const freshData = (await readdir(dataPath)).length === 0;
    return {
      workDir,
      historyDir,
      dataPath,
      freshData,
      reportFile: out === null ? null : join(out, "report.json"),
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    throw new ProgramError("OUT_UNUSABLE", `cannot use that folder: ${(error as Error).message}`, { cause: error });
  }
}
