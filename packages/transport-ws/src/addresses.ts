import { isIP } from "node:net";

/** Stands for every peer of whom a proxy tells something that is no address: they count as one. */
export const UNKNOWN_ADDRESS = "unknown";

/**
 * One spelling for one address; an IPv4 address in IPv6 clothes (`::ffff:1.2.3.4`, `64:ff9b::1.2.3.4`) is the IPv4 one.
 * What is no address stays as it is.
 */
export function plainAddress(address: string): string {
  const [plain = ""] = address.split("%"); // a zone says which of our interfaces, not who
  if (isIP(plain) !== 6) return address;
  const shortest = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const mapped = /^(?:::ffff|64:ff9b:):([\da-f]+):([\da-f]+)$/.exec(shortest);
  if (mapped === null) return shortest;
  const [high, low] = [mapped[1], mapped[2]].map((part) => Number.parseInt(part as string, 16)) as [number, number];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127\./.test(plainAddress(host));

/**
 * What counts as one peer for limits:
 * the address, or the /64 network of an IPv6 one, which a single customer usually has to itself.
 */
export function limitGroup(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [before = "", after] = plain.split("::");
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? [] : new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(":")}::/64`;
}

/**
 * Who a request comes from, as `X-Forwarded-For` has it: each of `proxies` proxies
 * of ours has added one entry, so the entry of the outermost is the peer's address,
 * and what stands before it anybody may have written. `null` without an entry.
 */
export function forwardedAddress(header: string | readonly string[] | undefined, proxies: number): string | null {
  const entries = [header ?? ""].flat().join(",").split(",");
  const entry = (entries[Math.max(0, entries.length - proxies)] as string).trim();
  if (entries.length === 1 && entry === "") return null;
  return readEntry(entry) ?? UNKNOWN_ADDRESS;
}
/** `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`, each also in quotes. */
function readEntry(entry: string): string | null {
  const text = entry.replace(/^"(.*)"$/, "$1");
  const address = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return isIP(address) === 0 ? null : plainAddress(address);
}

/** The URL that dials what listens there; a wildcard host is dialled at loopback. */
export function dialUrl(host: string, port: number, secure: boolean): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${secure ? "wss" : "ws"}://${isIP(reachable) === 6 ? `[${reachable}]` : reachable}:${port}`;
}
