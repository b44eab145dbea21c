import { describe, expect, it } from "vitest";
import { storeKeys } from "../log/records.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { MemoryDisk } from "../store/memory-disk.ts";
import { createMemoryStore } from "../store/memory-store.ts";
import { MemberNames, NAMES_MAX } from "./member-names.ts";

async function open(inUse: { living?: ReadonlySet<string>; holding?: ReadonlySet<string> } = {}) {
  const runtime = simulatedRuntime({ seed: 5 });
  const disk = new MemoryDisk({ runtime });
  const store = createMemoryStore({ runtime, disk });
  const logged: string[] = [];
  const logger = { log: (_: unknown, text: string) => void logged.push(text) };
  const scope = { store, runtime, logger };
  const names = new MemberNames(scope, {
    topic: "t",
    group: "g",
    isLiving: (name) => inUse.living?.has(name) === true,
    isHolding: (name) => inUse.holding?.has(name) === true,
  });
  await names.load();
  const stored = async () => (await store.list(storeKeys.members("t", "g"))).map(({ key }) => key.split("/").at(-1));
  return { runtime, disk, names, stored, logged };
}
const isTaken = (names: MemberNames, name: string): boolean => {
  try {
    names.check(name, "bob", null);
    return false;
  } catch {
    return true;
  }
};

describe("the names of a group", () => {
  it("that one principal brings by the thousand push out its own oldest, in the store too; none that is living or has a lease, and nobody else's", async () => {
    const { runtime, names, stored } = await open({ living: new Set(["m0"]), holding: new Set(["m1"]) });
    await names.claim("worker", "alice");
    for (let n = 0; n < NAMES_MAX + 200; n++) void names.claim(`m${n}`, "mallory");
    await runtime.settle();
    expect(
      ["worker", "m0", "m1", "m2", "m199", "m202", `m${NAMES_MAX + 199}`].map((name) => isTaken(names, name)),
    ).toEqual([true, true, true, false, false, true, true]);
    expect(await stored()).toHaveLength(NAMES_MAX + 1);
  });
  it("are claimed once that is stored, by whoever asks twice, too; what could not be stored is nobody's, and can be asked for again", async () => {
    const { runtime, disk, names, stored } = await open();
    let fail = () => {};
    disk.beforeApply = () => new Promise((_, reject) => (fail = () => reject(new Error("the disk failed"))));
    const outcomes: string[] = [];
    for (const which of ["first", "second"])
      names.claim("worker", "alice").then(
        () => outcomes.push(`${which} stored`),
        () => outcomes.push(`${which} failed`),
      );
    await runtime.settle();
    expect([outcomes, isTaken(names, "worker")]).toEqual([[], true]);
    disk.beforeApply = undefined;
    fail();
    await runtime.settle();
    expect([outcomes, isTaken(names, "worker")]).toEqual([["first failed", "second failed"], false]);
    await names.claim("worker", "alice");
    expect([await stored(), isTaken(names, "worker")]).toEqual([["worker"], true]);
  });
  it("are nobody's for one that is not told apart, and stay whose they were", async () => {
    const { runtime, names, stored, logged } = await open();
    await names.claim("worker", "alice");
    names.check("worker", null, null);
    await names.claim("worker", null);
    names.left("worker", null);
    await names.claim("other", null);
    await runtime.settle();
    expect([await stored(), isTaken(names, "worker"), logged]).toEqual([["worker"], true, []]);
  });
});
