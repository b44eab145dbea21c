import { isIP } from "node:net";

/** One spelling for one address; an IPv4 address in IPv6 clothes is the IPv4 one. */
export const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, "");

export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127\./.test(plainAddress(host));

/** What counts as one peer for limits: the address, or the /64 network of an IPv6 one, which a single customer usually has to itself. */
export function limitGroup(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [before = "", after] = (plain.split("%")[0] as string).split("::");
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? [] : new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  return `${[...head, ...zeros, ...tail].slice(0, 4).join(":")}::/64`;
}

/** The URL that dials what listens there; a wildcard host is dialled at loopback. */
export function dialUrl(host: string, port: number, secure: boolean): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${secure ? "wss" : "ws"}://${isIP(reachable) === 6 ? `[${reachable}]` : reachable}:${port}`;
}
