import { describe, expect, it } from "vitest";
import { forwardedAddress, isLoopback, limitGroup, plainAddress } from "./addresses.ts";

describe("an address", () => {
  it.each([
    ["1.2.3.4", "1.2.3.4"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::FFFF:102:304", "1.2.3.4"],
    ["0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"],
    ["64:ff9b::1.2.3.4", "1.2.3.4"], // translated on its way: else all of IPv4 would be one /64
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["localhost", "localhost"],
  ])("has one spelling: %s is %s", (written, plain) => expect(plainAddress(written)).toBe(plain));
  it.each([
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["::1", true],
    ["localhost", true],
    ["::ffff:7f00:1", true],
    ["128.0.0.1", false],
    ["2001:db8::1", false],
    ["unknown", false],
  ])("is of this machine or not: %s %s", (address, loopback) => expect(isLoopback(address)).toBe(loopback));
  it("counts with those that are in one hand: of IPv6 with its /64 network, however it is written", () => {
    const groupOf = (addresses: string[]) => [...new Set(addresses.map(limitGroup))];
    expect(
      groupOf(["2001:db8::1", "2001:DB8:0::ffff", "2001:0db8:0000:0000:1:2:3:4", "2001:db8:0:0:ffff::%eth0"]),
    ).toEqual(["2001:db8:0:0::/64"]);
    expect(groupOf(["1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304"])).toEqual(["1.2.3.4"]);
    expect(groupOf(["2001:db8::1", "2001:db8:0:1::1", "1.2.3.4", "1.2.3.5", "::1"])).toHaveLength(5);
  });
});

describe("X-Forwarded-For", () => {
  it.each([
    ["1.2.3.4", "1.2.3.4"],
    ["1.2.3.4:5678", "1.2.3.4"],
    ['"1.2.3.4:5678"', "1.2.3.4"],
    ["2001:db8::1", "2001:db8::1"],
    ["[2001:db8::1]", "2001:db8::1"],
    ["[2001:DB8::1]:443", "2001:db8::1"],
    ['"[::1]"', "::1"],
    ['"[2001:db8::1]:443"', "2001:db8::1"],
    ["[fe80::1%eth0]:80", "fe80::1"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["[::ffff:1.2.3.4]:80", "1.2.3.4"],
    ["  1.2.3.4  ", "1.2.3.4"],
    ["6.6.6.6, 1.2.3.4", "1.2.3.4"],
    ["6.6.6.6,,1.2.3.4:1", "1.2.3.4"],
  ])("tells the peer's address, without what may stand around it: %s is %s", (header, address) =>
    expect(forwardedAddress(header, 1)).toBe(address),
  );
  it.each([
    "unknown",
    "_hidden",
    "garbage",
    "1.2.3.4.5",
    "1.2.3.4:",
    "[1.2.3.4",
    "[]:1",
    '"',
    "6.6.6.6,",
    "6.6.6.6, ",
    ",",
  ])("that tells no address makes one peer of all that it tells so: %j", (header) =>
    expect(forwardedAddress(header, 1)).toBe("unknown"),
  );
  it("of several proxies of ours is read where the outermost of them has written", () => {
    expect(forwardedAddress("6.6.6.6, 1.2.3.4, 10.0.0.1", 2)).toBe("1.2.3.4");
    expect(forwardedAddress(["6.6.6.6", "1.2.3.4, 10.0.0.1"], 2)).toBe("1.2.3.4");
    expect(forwardedAddress("1.2.3.4", 2)).toBe("1.2.3.4"); // came past the outer one: the inner one's word is all there is
  });
  it("tells nothing where it is not there", () => {
    for (const nothing of [undefined, "", " "]) expect(forwardedAddress(nothing, 1)).toBeNull();
  });
});
