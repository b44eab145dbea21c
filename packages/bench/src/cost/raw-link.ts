import { once } from "node:events";
import type { Socket } from "node:net";
import { binaryCodec } from "@seriatim/actors";
import { WebSocket } from "ws";
import { encodable, type Frames, type Heard, type PrincipalName } from "./wire.ts";

/** Far longer than anything takes that does not hang. */
const ANSWER_MS_MAX = 120_000;
/** Nothing more comes when nothing has come for so long. */
const QUIET_MS = 100;
const MARKS_FROM = 2 ** 40;
const SUBPROTOCOL = "seriatim.v1";
let instances = 0;

/** A client's side of a link that says what it is told to, as fast as the other side reads. */
export class RawLink {
  readonly #socket: WebSocket;
  readonly #waiting = new Set<() => void>();
  #codec = binaryCodec;
  /** How many came, of each type of frame; of what is refused, of each code. */
  readonly heard = new Map<string, number>();
  #find: ((heard: Heard) => void) | null = null;
  #requests = 0;
  #marks = 0;
  #marked = 0;
  #heardAtMs = performance.now();
  /** Of the packets that were sent. */
  bytes = 0;

  static async open(url: string, principal: PrincipalName): Promise<RawLink> {
    const link = new RawLink(url, principal);
    await once(link.#socket, "open");
    const instance = `cost-${process.pid}-${++instances}`;
    const versions = [...binaryCodec.versions];
    link.say([{ type: "hello", versions, instance, link: 1, client: "cost", ordinal: null }]);
    await link.until(() => link.heard.has("welcome"), "welcome");
    return link;
  }
  private constructor(url: string, principal: PrincipalName) {
    const headers = { authorization: `Bearer ${principal}` };
    this.#socket = new WebSocket(url, [SUBPROTOCOL], { perMessageDeflate: false, headers, maxPayload: 2 ** 28 });
    this.#socket.on("error", () => {});
    this.#socket.on("message", (data) => {
      this.#heardAtMs = performance.now();
      for (const frame of this.#codec.decode(new Uint8Array(data as Buffer)) as unknown as readonly Heard[])
        this.#hear(frame);
      this.#look();
    });
    this.#socket.on("close", () => this.#look());
  }
  #hear(frame: Heard): void {
    if (frame.type === "welcome") this.#codec = this.#codec.at(frame["version"] as number);
    if (frame.type === "heartbeat.answered" && (frame["beat"] as number) > MARKS_FROM) {
      this.#marked = frame["beat"] as number;
      return;
    }
    const code = (frame["error"] as { readonly code?: string } | null | undefined)?.code;
    const what = code ?? frame.type;
    this.heard.set(what, (this.heard.get(what) ?? 0) + 1);
    this.#find?.(frame);
  }
  #look(): void {
    for (const look of this.#waiting) look();
  }
  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }
  /** Bytes of the connection so far, with its upgrade. */
  get wireBytes(): number {
    return (this.#socket as unknown as { readonly _socket: Socket | null })._socket?.bytesWritten ?? 0;
  }
  /** @throws when the link ends first, or it takes too long */
  async until(is: () => boolean, what: string): Promise<void> {
    await this.untilEither(is, what);
    if (!is()) throw new Error(`the link ended before ${what}: ${this.said}`);
  }
  /** The same, or until the link has ended. @throws when it takes too long */
  async untilEither(is: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + ANSWER_MS_MAX;
    while (!is() && this.#socket.readyState <= WebSocket.OPEN) {
      if (performance.now() > deadline) throw new Error(`${what} did not come within ${ANSWER_MS_MAX / 1000} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        const look = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(look);
          resolve();
        };
        this.#waiting.add(look);
      });
    }
  }
  /** What it heard, for people. */
  get said(): string {
    return [...this.heard].map(([what, count]) => `${count} ${what}`).join(", ");
  }
  /** Sends one packet. */
  say(frames: Frames): void {
    const packet = this.#codec.encode(encodable(frames));
    this.bytes += packet.length;
    this.#socket.send(packet);
  }
  next(): number {
    return ++this.#requests;
  }
  /** Sends a request, and waits for what answers it. */
  async ask(frame: object): Promise<Heard> {
    const request = this.next();
    return await this.hears(
      ({ request: answered }) => answered === request,
      () => this.say([{ ...frame, request }]),
    );
  }
  /** Waits for a frame, from before `act` on. */
  async hears(is: (heard: Heard) => boolean, act: () => void = () => {}): Promise<Heard> {
    let found: Heard | undefined;
    this.#find = (heard) => {
      if (found === undefined && is(heard)) found = heard;
    };
    act();
    await this.until(() => found !== undefined, "an answer");
    this.#find = null;
    return found as Heard;
  }
  /** A heartbeat that can be told from others: it is answered once the broker has come so far. */
  mark(): { readonly frame: object; readonly isAnswered: () => boolean } {
    const beat = MARKS_FROM + ++this.#marks;
    return {
      frame: { type: "heartbeat", beat, grantsSeen: 0, leases: [] },
      isAnswered: () => this.#marked >= beat,
    };
  }
  /** Waits until nothing more comes. */
  async quiet(): Promise<void> {
    const deadline = performance.now() + ANSWER_MS_MAX;
    for (;;) {
      const leftMs = this.#heardAtMs + QUIET_MS - performance.now();
      if (leftMs <= 0 || !this.isOpen) return;
      if (performance.now() > deadline) throw new Error(`still answered after ${ANSWER_MS_MAX / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, leftMs));
    }
  }
  /** Waits for the end of the link. */
  async ended(): Promise<void> {
    if (this.#socket.readyState !== WebSocket.CLOSED) await once(this.#socket, "close");
  }
  abort(): void {
    this.#socket.terminate();
  }
}
