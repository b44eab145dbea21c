// What the attacking process does:
// it fills the broker, appends to be held against, and sends one kind of frame without end.
import { setTimeout as sleep } from "node:timers/promises";
import type { Link, Transport } from "@seriatim/actors";
import { createClient } from "@seriatim/actors/client";
import { wsClientTransport } from "@seriatim/transport-ws/client";
import type { At, Load } from "../frame/system.ts";
import type { Attack, Attacked } from "./attack-orders.ts";
import { type Entry, entries, knownTo } from "./entries.ts";
import { prepare } from "./prepare.ts";
import { RawLink } from "./raw-link.ts";
import { APPENDED } from "./topics.ts";
import type { PrincipalName } from "./wire.ts";

const NOTHING: Attacked = { frames: 0, bytes: 0, heard: {} };
const PER_PACKET = 1_000;
/** Packets on their way whose last frame has no answer yet: enough that the link is never idle. */
const IN_FLIGHT = 3;
const LINKS_AT_ONCE = 8;

export async function attacking(load: Load, { address }: At): Promise<(attack: Attack) => Promise<Attacked>> {
  return async (attack) => {
    if (attack.what === "append") return await append(address, load, attack.ms);
    if (attack.what === "send") return await send(address, attack);
    await prepare(wsClientTransport({ url: address }), load.standing);
    return NOTHING;
  };
}
/** What a producer sends, byte by byte as it leaves. */
async function append(url: string, { bytes, window, keys }: Load, ms: number): Promise<Attacked> {
  let written = 0;
  const inner = wsClientTransport({ url });
  const transport: Transport = {
    dial: async (options): Promise<Link> => {
      const link = await inner.dial(options);
      const write = link.send.bind(link);
      return Object.assign(link, {
        send: (frame: Uint8Array) => {
          written += frame.length;
          write(frame);
        },
      });
    },
  };
  const client = await createClient({ transport, token: "worker", name: "appending" });
  const producer = client.producer(APPENDED, { bufferMessagesMax: Math.max(10_000, window) });
  const body = new Uint8Array(bytes);
  const until = performance.now() + ms;
  let frames = 0;
  const sender = async (nth: number): Promise<void> => {
    for (let n = nth; performance.now() < until; n++, frames++) await producer.send(body, { key: `key-${n % keys}` });
  };
  await Promise.all(Array.from({ length: window }, (_, nth) => sender(nth)));
  await client.close();
  return { frames, bytes: written, heard: {} };
}
async function send(url: string, order: Extract<Attack, { readonly what: "send" }>): Promise<Attacked> {
  const entry = entries.get(order.entry);
  if (entry === undefined) throw new Error(`which frame? found "${order.entry}"`);
  const { principal } = order;
  const ends = entry.endsLink === "always" || entry.endsLink === principal;
  return await (ends ? onLinksOfTheirOwn(url, entry, order) : onOneLink(url, entry, order));
}
type Limits = { readonly principal: PrincipalName; readonly ms: number; readonly bytesMax: number };

/** One link, and another when it is ended. */
async function onOneLink(url: string, entry: Entry, limits: Limits): Promise<Attacked> {
  const until = performance.now() + limits.ms;
  const heard: Record<string, number> = {};
  let frames = 0;
  let bytes = 0;
  do {
    const link = await RawLink.open(url, limits.principal);
    const sent = await sendOn(link, entry, { ...limits, bytesMax: limits.bytesMax - bytes }, until);
    frames += sent.frames;
    bytes += sent.bytes;
    for (const [what, count] of link.heard) heard[what] = (heard[what] ?? 0) + count;
    if (!link.isOpen) heard[LINK_ENDED] = (heard[LINK_ENDED] ?? 0) + 1;
    link.abort();
  } while (performance.now() < until && bytes < limits.bytesMax);
  return { frames, bytes, heard };
}
const LINK_ENDED = "the link ended";
async function sendOn(
  link: RawLink,
  entry: Entry,
  { principal, bytesMax }: Limits,
  until: number,
): Promise<{ readonly frames: number; readonly bytes: number }> {
  const known = await knownTo(principal, link, entry);
  const before = link.bytes;
  link.heard.clear();
  const marks: (() => boolean)[] = [];
  let n = 0;
  while (link.isOpen && performance.now() < until && link.bytes - before < bytesMax) {
    const packet = Array.from({ length: entry.perPacket ?? PER_PACKET }, () => entry.frames(n++, link, known)).flat();
    const { frame, isAnswered } = link.mark();
    link.say([...packet, frame]);
    marks.push(isAnswered);
    if (marks.length >= IN_FLIGHT) await link.untilEither(marks.shift()!, "what answers a packet");
  }
  for (const isAnswered of marks) await link.untilEither(isAnswered, "what answers a packet");
  await link.quiet();
  return { frames: n, bytes: link.bytes - before };
}
/** Bytes are those of the connections, upgrades and all. */
async function onLinksOfTheirOwn(url: string, entry: Entry, { principal, ms, bytesMax }: Limits): Promise<Attacked> {
  const until = performance.now() + ms;
  const heard: Record<string, number> = {};
  let frames = 0;
  let bytes = 0;
  const one = async (): Promise<void> => {
    while (performance.now() < until && bytes < bytesMax) {
      const link = await RawLink.open(url, principal);
      const known = await knownTo(principal, link, entry);
      link.heard.clear();
      link.say(entry.frames(frames++, link, known));
      const written = link.wireBytes;
      await link.ended();
      bytes += written;
      for (const [what, count] of link.heard) heard[what] = (heard[what] ?? 0) + count;
    }
  };
  await Promise.all(Array.from({ length: LINKS_AT_ONCE }, one));
  await sleep(50); // what is left of the links goes
  return { frames, bytes, heard };
}
