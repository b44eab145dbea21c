import { describe, expect, it } from "vitest";
import { InternalError, limitExceeded, MessagingError, StaleEpochError } from "../message/errors.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { Disclosure } from "./disclosure.ts";

const SECRET = "swordfish";
function setUp() {
  const lines: { readonly text: string; readonly data: Readonly<Record<string, unknown>> }[] = [];
  const log = (_: string, text: string, data: object) => void lines.push({ text, data: data as never });
  const disclosure = new Disclosure({ at: "broker", runtime: simulatedRuntime({ seed: 1 }), logger: { log } });
  return { lines, told: (error: MessagingError) => disclosure.of(error, "session/1") };
}
const own = (data: object) => new MessagingError("LIMIT_EXCEEDED", "too many", { data: data as never });

describe("an error of ours", () => {
  it("goes with its text", () => {
    const { told, lines } = setUp();
    const error = limitExceeded("lanesMax", 10, "this link has 10 lanes", "close some");
    expect(told(error)).toEqual({ code: "LIMIT_EXCEEDED", message: error.message, data: { lanesMax: 10 } });
    const stale = new StaleEpochError({ queue: "queue/t/0/g", presented: 1 as never, current: 2 as never });
    expect(told(stale).data).toEqual({ queue: "queue/t/0/g", presented: 1, current: 2 });
    const internal = new InternalError("broker", "r-1", { cause: new Error(SECRET) });
    expect(told(internal)).toEqual({
      code: "INTERNAL",
      message: internal.message,
      data: { at: "broker", reference: "r-1" },
    });
    expect(lines).toEqual([]);
  });
  it("tells of its data what is on the list, and numbers", () => {
    const { told } = setUp();
    const data = {
      topic: "t",
      path: `/var/${SECRET}`,
      host: SECRET,
      port: 5432,
      isFull: true,
      more: { password: SECRET },
    };
    expect(told(own(data)).data).toEqual({ topic: "t", port: 5432, isFull: true });
  });
});
describe("an error that something else is behind, or the store", () => {
  const behind = (code: "UNAVAILABLE" | "FORBIDDEN" | "STORE_FULL", cause: unknown) =>
    new MessagingError(code, `failed: ${SECRET}`, { cause, data: { topic: SECRET } });
  const foreign: readonly (readonly [code: string, error: MessagingError])[] = [
    ["UNAVAILABLE", behind("UNAVAILABLE", new Error(SECRET))],
    ["UNAVAILABLE", behind("UNAVAILABLE", SECRET)],
    ["FORBIDDEN", behind("FORBIDDEN", new Error(SECRET))],
    ["STORE_FULL", behind("STORE_FULL", new Error(SECRET))],
    ["STORE_FAILED", new MessagingError("STORE_FAILED", SECRET, { data: { path: SECRET } })],
    ["STORE_DAMAGED", new MessagingError("STORE_DAMAGED", SECRET)],
    ["FORMAT_UNSUPPORTED", new MessagingError("FORMAT_UNSUPPORTED", SECRET)],
    // away for its clients, no more: they ask again, and do not give up
    [
      "UNAVAILABLE",
      new MessagingError("STORE_IN_USE", `"/var/${SECRET}" has another owner`, { data: { path: SECRET } }),
    ],
  ];
  it.each(foreign)(
    "is told as %s in words of ours, with a reference under which the log has all of it",
    (code, error) => {
      const { told, lines } = setUp();
      const wire = told(error);
      expect(wire.code).toBe(code);
      expect(JSON.stringify(wire)).not.toContain(SECRET);
      expect(wire.data).toEqual({ reference: lines[0]?.data["reference"] });
      expect(wire.message).toContain(`under reference "${String(wire.data["reference"])}"`);
      expect(lines).toHaveLength(1);
      expect(JSON.stringify(lines[0]?.data)).toContain(SECRET);
      expect(lines[0]?.data["stack"]).toContain("disclosure.test.ts");
      expect(lines[0]?.text).not.toContain(SECRET);
    },
  );
  it("is logged once, however many it refuses, whatever it is wrapped in; another one has another reference", () => {
    const { told, lines } = setUp();
    const root = new Error("EIO");
    const wrapped = new MessagingError("STORE_FAILED", "a", { cause: root });
    const references = [
      wrapped,
      new MessagingError("UNAVAILABLE", "b", { cause: wrapped }),
      behind("UNAVAILABLE", root),
    ].map((error) => told(error).data["reference"]);
    expect(new Set(references).size).toBe(1);
    expect(lines).toHaveLength(1);
    expect(told(behind("UNAVAILABLE", new Error("EIO"))).data["reference"]).not.toBe(references[0]);
  });
  it("has in the log what is behind it, also where looking at it throws, or where it is its own cause", () => {
    const { told, lines } = setUp();
    const hostile = Object.defineProperty(new Error("x"), "stack", {
      get: () => {
        throw new Error("looked at");
      },
    });
    const circle = new Error("round");
    circle.cause = circle;
    for (const cause of [hostile, circle, Object.create(null), undefined, null, 7n])
      expect(told(new MessagingError("STORE_FAILED", "a", { cause })).code).toBe("STORE_FAILED");
    expect(lines).toHaveLength(6);
  });
});
