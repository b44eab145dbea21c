import type { Codec, Link, LinkEnd, Transport } from "@seriatim/actors";
import { until } from "./until.fixture.ts";

type Frame = Parameters<Codec["encode"]>[0][number];
/** A frame of the broker, however it is looked at. */
// biome-ignore lint/suspicious/noExplicitAny: a case knows what it asked for
export type Heard = { readonly type: string } & Readonly<Record<string, any>>;
/** Kept at most: what comes by the hundred thousand is only counted. */
const KEPT_MAX = 50_000;
const BEAT_MS = 2_000;
const OWN_BEAT = { type: "heartbeat", beat: 2 ** 40, grantsSeen: 0, leases: [] } as const;
let instances = 0;

/** A client that speaks the protocol as it likes. */
export class Attacker {
  readonly link: Link;
  /** The first 50,000 it heard. */
  readonly heard: Heard[] = [];
  /** How many of each type, and of each code in `refused`, `batch.refused` and `settle.refused`. */
  readonly counts = new Map<string, number>();
  end: LinkEnd | null = null;
  #codec: Codec;
  #requests = 0;
  #onHeard: (() => void) | null = null;

  /** A link that has said nothing yet. */
  static async dial(transport: Transport, codec: Codec, token: string): Promise<Attacker> {
    return new Attacker(await transport.dial({ signal: new AbortController().signal, token }), codec);
  }
  private constructor(link: Link, codec: Codec) {
    this.link = link;
    this.#codec = codec;
    link.frames$.subscribe((packet) => {
      for (const frame of this.#codec.decode(packet) as Heard[]) this.#hear(frame);
      this.#onHeard?.();
    });
    void link.ended.then((end) => {
      this.end = end;
      this.#onHeard?.();
    });
  }
  #hear(frame: Heard): void {
    if (frame.type === "heartbeat.answered" && frame["beat"] === OWN_BEAT.beat) return;
    if (this.heard.length < KEPT_MAX) this.heard.push(frame);
    const count = (of: string): void => void this.counts.set(of, (this.counts.get(of) ?? 0) + 1);
    count(frame.type);
    const code = frame["error"]?.code as string | undefined;
    if (code !== undefined) count(code);
    if (frame.type === "welcome") this.#codec = this.#codec.at(frame["version"]);
  }
  /** Says hello, and waits for the answer. */
  async hello(more: object = {}): Promise<void> {
    const instance = `hostile-${++instances}`;
    const versions = [...this.#codec.versions];
    this.say({ type: "hello", versions, instance, link: 1, client: "hostile", ordinal: null, ...more });
    await this.until(() => this.count("welcome") > 0 || this.end !== null, "an answer to hello");
  }
  /** One packet of these frames. */
  say(...frames: readonly object[]): void {
    this.link.send(this.packet(frames));
  }
  packet(frames: readonly object[]): Uint8Array {
    return this.#codec.encode(frames as readonly Frame[]);
  }
  next(): number {
    return ++this.#requests;
  }
  /** How many frames of this type, or refusals with this code, have come. */
  count(of: string): number {
    return this.counts.get(of) ?? 0;
  }
  /** Waits until it is so, looking whenever something has come. @throws when the link ends first */
  async until(is: () => boolean, what: string): Promise<void> {
    const beating = setInterval(() => this.say(OWN_BEAT), BEAT_MS); // who says nothing for long is cut off
    await until(
      () => is() || this.end !== null,
      what,
      (look) => {
        this.#onHeard = look;
      },
    ).finally(() => clearInterval(beating));
    this.#onHeard = null;
    if (!is()) throw new Error(`the link ended before ${what}: ${this.end?.code} ${this.end?.reason}`);
  }
  /** Sends a request and waits for what answers it. */
  async ask(frame: object): Promise<Heard> {
    const request = this.next();
    this.say({ ...frame, request });
    return await this.find((heard) => heard["request"] === request, `the answer to request ${request}`);
  }
  /** A question. */
  async question(question: object): Promise<Heard> {
    return await this.ask({ type: "ask", question });
  }
  /** The first that is so, as soon as it has come. @param from looks only at those from this place in `heard` on */
  async find(is: (heard: Heard) => boolean, what: string, from = 0): Promise<Heard> {
    let found: Heard | undefined;
    let looked = from;
    await this.until(() => {
      while (found === undefined && looked < this.heard.length) {
        const heard = this.heard[looked++] as Heard;
        if (is(heard)) found = heard;
      }
      return found !== undefined;
    }, what);
    return found as Heard;
  }
  /** The type of what answers a request, or the code of its refusal. */
  async outcome(frame: object): Promise<string> {
    const heard = await this.ask(frame);
    return heard.type === "refused" ? (heard["error"].code as string) : heard.type;
  }
  /** How the link ended, once it has. */
  async ended(): Promise<LinkEnd> {
    return await this.link.ended;
  }
  /** Code of the `goodbye` it heard, if it heard one. */
  get goodbye(): string | null {
    return (this.heard.findLast(({ type }) => type === "goodbye")?.["error"]?.code as string | undefined) ?? null;
  }
}
