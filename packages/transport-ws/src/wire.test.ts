import { describe, expect, it } from "vitest";
import { dialUrl, isLoopback, limitGroup, plainAddress } from "./addresses.ts";
import {
  CLOSE_CODES,
  clipReason,
  linkEndOf,
  REFUSALS,
  redacted,
  refusalOfCloseCode,
  refusalOfStatus,
  tokenFromEntries,
  tokenToEntry,
} from "./wire.ts";

describe("close codes", () => {
  it("say the same to both kinds of WebSocket", () => {
    for (const [code, { standard, platform }] of Object.entries(CLOSE_CODES)) {
      expect(linkEndOf(standard, "why")).toEqual({ code, reason: "why" });
      expect(linkEndOf(platform, "why")).toEqual({ code, reason: "why" });
      expect(platform === 1000 || (platform >= 3000 && platform <= 4999)).toBe(true);
    }
  });
  it("of broken rules are violations, and unknown ones keep their number", () => {
    for (const code of [1002, 1003, 1007, 1008]) expect(linkEndOf(code, "").code).toBe("violation");
    expect(linkEndOf(1005, "")).toEqual({ code: "normal", reason: "" });
    expect(linkEndOf(1006, "")).toEqual({ code: "lost", reason: "the connection broke" });
    expect(linkEndOf(4999, "bye")).toEqual({ code: "lost", reason: "closed with code 4999: bye" });
  });
  it("carry at most 123 bytes of text, cut between characters", () => {
    expect(clipReason("short")).toBe("short");
    expect(clipReason("x".repeat(200))).toBe("x".repeat(123));
    expect(clipReason("€".repeat(100))).toBe("€".repeat(41));
    expect(clipReason(`x${"😀".repeat(100)}`)).toBe(`x${"😀".repeat(30)}`);
  });
});

describe("refusals", () => {
  it("are known by status and header, and by close code", () => {
    for (const code of Object.keys(REFUSALS) as (keyof typeof REFUSALS)[]) {
      expect(refusalOfStatus(REFUSALS[code].status, code)).toBe(code);
      expect(refusalOfCloseCode(REFUSALS[code].closeCode)).toBe(code);
    }
    expect(refusalOfStatus(503, "TOPIC_UNKNOWN")).toBe("UNAVAILABLE");
    expect(refusalOfStatus(503, undefined)).toBe("UNAVAILABLE");
    expect(refusalOfCloseCode(1006)).toBe("UNAVAILABLE");
  });
});

describe("a token as a subprotocol entry", () => {
  it("comes back as it was, in characters a subprotocol may have", () => {
    for (const token of ["", "a", "s3cret", "ü€😀", "a b,c=d", "\u0000\uffff", "x".repeat(5_000)]) {
      const entry = tokenToEntry(token);
      expect(entry).toMatch(/^[\w.-]+$/);
      expect(tokenFromEntries(["seriatim.v1", entry])).toBe(token);
    }
  });
  it("is none when it is missing or broken", () => {
    for (const entries of [[], ["seriatim.v1"], ["seriatim.token"], ["seriatim.token.!"], ["seriatim.token._w"]])
      expect(tokenFromEntries(entries)).toBeNull();
  });
});

describe("addresses", () => {
  it("have one spelling", () => {
    expect(plainAddress("::ffff:10.1.2.3")).toBe("10.1.2.3");
    expect(plainAddress("::ffff:a")).toBe("::ffff:a");
  });
  it("know loopback", () => {
    for (const host of ["localhost", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
      expect(isLoopback(host)).toBe(true);
    for (const host of ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "shop.example"]) expect(isLoopback(host)).toBe(false);
  });
  it("count as one within a /64 network", () => {
    expect(limitGroup("10.1.2.3")).toBe("10.1.2.3");
    for (const address of ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:0:9:9:9:9", "2001:db8::1%eth0"])
      expect(limitGroup(address)).toBe("2001:db8:0:0::/64");
    expect(limitGroup("::1")).toBe("0:0:0:0::/64");
    expect(limitGroup("2001:db8:0:1::")).toBe("2001:db8:0:1::/64");
  });
  it("become the URL that dials them", () => {
    expect(dialUrl("0.0.0.0", 7400, false)).toBe("ws://127.0.0.1:7400");
    expect(dialUrl("::", 7400, true)).toBe("wss://[::1]:7400");
    expect(dialUrl("shop.example", 443, true)).toBe("wss://shop.example:443");
    expect(redacted("wss://user:secret@shop.example/seriatim?ticket=1")).toBe("wss://shop.example/seriatim");
  });
});
