import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { canInjectIoErrors, injectIoErrors } from "./io-errors.ts";

const WRITER = `const { openSync, fsyncSync } = require("node:fs");
const file = openSync(process.argv[1], "w");
let failed = 0;
process.stdout.write("ready");
setInterval(() => { try { fsyncSync(file); } catch (error) { failed++; } }, 5);
process.on("SIGTERM", () => { process.stdout.write(" failed " + (failed > 0)); process.exit(0); });`;

it.runIf(canInjectIoErrors())("fails calls of a process for a while, and lets it go on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seriatim-chaos-test-"));
  const child = spawn(process.execPath, ["-e", WRITER, join(folder, "file")], { stdio: ["ignore", "pipe", "ignore"] });
  try {
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    await once(child.stdout, "data");
    const logFile = join(folder, "strace.log");
    expect(await injectIoErrors({ pid: child.pid ?? 0, forMs: 100, variant: 0, logFile })).toBeGreaterThan(0);
    expect(existsSync(logFile)).toBe(false);
    child.kill("SIGTERM");
    await once(child, "close");
    expect(said).toBe("ready failed true");
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
