import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { drawSource } from "./draw-source.ts";

describe("what seeds are drawn from", () => {
  let root: string;
  const write = (text: string): void => writeFileSync(join(root, "packages/one/src/a.ts"), text);
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "seriatim-draw-"));
    mkdirSync(join(root, "packages/one/src"), { recursive: true });
    write("export const one = 1;\n");
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("is the commit that is checked out", () => {
    const git = (...args: string[]): string => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
    git("init", "-q");
    git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "--allow-empty", "-m", "one");
    const hash = git("rev-parse", "HEAD");
    expect(drawSource(root)).toEqual({ hash, of: `commit ${hash.slice(0, 12)}` });
  });
  it("is the sources where there is no history, and it says so", () => {
    const before = drawSource(root);
    expect(before).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{40}$/), of: expect.stringContaining("git") });
    expect(drawSource(root)).toEqual(before);
    write("export const one = 2;\n");
    expect(drawSource(root).hash).not.toBe(before.hash);
  });
});
