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
    const hash = git("rev-parse", "HEAD").slice(0, 12);
    expect(drawSource(null, root)).toEqual({ hash, of: `commit ${hash}` });
  });
  it("is what is given, as long or as short as it is typed", () => {
    expect(drawSource("0123456789abcdef", root)).toEqual(drawSource("0123456789ab", root));
  });
  it("is the sources where there is no history, and it says so", () => {
    const before = drawSource(null, root);
    expect(before).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{12}$/), of: expect.stringContaining("git") });
    expect(drawSource(null, root)).toEqual(before);
    write("export const one = 2;\n");
    expect(drawSource(null, root).hash).not.toBe(before.hash);
  });
});
