// Real processes. They run from dist: `npm test` builds first.
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { Child } from "./child.ts";
import { Program } from "./program.ts";

const ECHO = fileURLToPath(new URL("../../test/echo.mjs", import.meta.url));
type Order = { readonly type: "echo"; readonly text: string } | { readonly type: "fail" | "deaf" };
type Tell =
  | { readonly type: "ready"; readonly greeting: string }
  | { readonly type: "echo"; readonly text: string }
  | { readonly type: "deaf" };

describe("a child", () => {
  let child: Child<Order, Tell>;
  const start = (program = ECHO): Child<Order, Tell> => {
    child = new Child({ name: "echo#1", program, spec: { greeting: "hello" } });
    return child;
  };
  afterEach(() => child.killNow());

  it("is what its spec says, obeys in order what it was told before it was ready, and ends in order", async () => {
    start().tell({ type: "echo", text: "early" });
    expect(child.isAwaited).toBe(true);
    expect((await child.hear("ready")).greeting).toBe("hello");
    expect(child.isAwaited).toBe(false);
    expect((await child.hear("echo")).text).toBe("early");
    expect(await child.ask({ type: "echo", text: "again" }, "echo")).toEqual({ type: "echo", text: "again" });
    expect(await child.end()).toBe(true);
    expect(await child.ended).toMatchObject({ expected: true });
    expect(child.isUp).toBe(false);
  });
  it("says what nobody in it caught, and where, and whoever waits for it hears that", async () => {
    await start().hear("ready");
    child.tell({ type: "fail" });
    await expect(child.hear("echo")).rejects.toMatchObject({
      code: "PROCESS_FAILED",
      message: expect.stringMatching(/^echo#1: too far .*echo\.mjs/),
    });
    expect(await child.ended).toMatchObject({ expected: false, code: null });
  });
  it("that cannot start ends with its last words", async () => {
    const { text } = await start(`${ECHO}.absent`).ended;
    expect(text).toMatch(/^ended unexpectedly \(status 1\): Error: Cannot find module/);
  });
  it("is killed as by a crash, also while it is frozen, once", async () => {
    await start().hear("ready");
    expect(child.freeze()).toBe(true);
    await expect(child.ask({ type: "echo", text: "nobody" }, "echo", 200)).rejects.toMatchObject({ code: "STALLED" });
    expect(await child.kill()).toBe(true);
    expect(await child.kill()).toBe(false);
    expect(child.freeze()).toBe(false);
  });
  it("goes on where it was frozen", async () => {
    await start().hear("ready");
    child.freeze();
    child.tell({ type: "echo", text: "later" });
    child.thaw();
    expect((await child.hear("echo")).text).toBe("later");
  });
  it("that does not end when it is told to is killed", async () => {
    await start().hear("ready");
    await child.ask({ type: "deaf" }, "deaf");
    expect(await child.end(0)).toBe(false);
    expect(child.isUp).toBe(false);
  });
});

describe("a program", () => {
  const node = (script: string, options = {}): Program => new Program(process.execPath, ["-e", script], options);

  it("tells its lines as they come, and how it ended", async () => {
    const program = node(
      'console.log("one\\ntwo"); console.error("oh"); process.stdout.write("rest"); process.exitCode = 3;',
    );
    expect(await program.told(2)).toEqual(["one", "two"]);
    expect(await program.ended).toEqual({ status: 3, signal: null, stdout: "one\ntwo\nrest", stderr: "oh\n" });
    await expect(program.told(3)).rejects.toThrow("ended before it had told 3 lines: oh");
  });
  it("is waited for until it prints something, or ends first", async () => {
    const program = node('setTimeout(() => console.log("here I am"), 50); setTimeout(() => {}, 60_000);');
    await program.printed(/I am/);
    program.signal("SIGTERM");
    expect((await program.ended).signal).toBe("SIGTERM");
    await expect(program.printed("never")).rejects.toThrow("ended before it printed never");
  });
  it("takes too long, and is killed", async () => {
    expect((await node("setTimeout(() => {}, 60_000);", { timeoutMs: 300 }).ended).signal).toBe("SIGKILL");
  });
  it("ends with all that it started, where it has a group of its own", async () => {
    const script =
      'require("node:child_process").spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"]); console.log("started");';
    const program = node(`${script} setTimeout(() => {}, 60_000);`, { ownGroup: true });
    await program.printed("started");
    if (process.platform === "linux") expect(program.leftovers()).toHaveLength(2);
    program.kill();
    await program.ended;
    if (process.platform === "linux") expect(await program.leftoversAfter(5_000)).toEqual([]);
  });
});
