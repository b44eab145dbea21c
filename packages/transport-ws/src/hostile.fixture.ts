import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { binaryCodec } from "@seriatim/actors";
import { Child, laneOpen, memberJoin, type Said } from "@seriatim/rig";
import { expect } from "vitest";
import { type ClientOptions, WebSocket } from "ws";
import { Raw, until, upgradeRequest } from "./ws.fixture.ts";

type Frame = Parameters<typeof binaryCodec.encode>[0][number];
const program = fileURLToPath(new URL("../test/hostile-process.mjs", import.meta.url));

/** What a process says, once under the name of each command. */
export type OtherSaid =
  | { readonly type: "ready"; readonly url?: string }
  | { readonly type: "stall" | "goOn" }
  | { readonly type: "memory"; readonly heapUsed: number; readonly external: number; readonly sessions: number }
  | { readonly type: "mark"; readonly messages: number; readonly p99: number }
  | { readonly type: "finish"; readonly sent: number; readonly received: number };
/** Far beyond what any answer takes. */
const HANGS_MS = 300_000;

/** A broker or a well-behaved client, in a process of its own. */
export class Other extends Child<Said, OtherSaid> {
  /** With the address of a broker. */
  static async start(role: "broker" | "good", url = ""): Promise<[other: Other, url: string]> {
    const other = new Other({ name: role, program, args: [role, url], execArgv: ["--expose-gc"] });
    return [other, (await other.hear("ready", HANGS_MS)).url ?? ""];
  }
  command<T extends OtherSaid["type"]>(type: T) {
    return this.ask({ type }, type, HANGS_MS);
  }
}

export interface DialHow extends ClientOptions {
  readonly protocols?: readonly string[];
  readonly token?: string;
}
export const validFor = (name: string, ms = 3_600_000): string => `${name}:${Date.now() + ms}`;

/** A client that speaks the protocol as it likes. */
export class Attacker {
  readonly socket: WebSocket;
  readonly frames: (Frame & Record<string, unknown>)[] = [];
  closeCode: number | null = null;
  reason = "";
  #requests = 0;
  constructor(url: string, { protocols = ["seriatim.v1"], token = validFor("mallory"), ...options }: DialHow = {}) {
    this.socket = new WebSocket(url, [...protocols], {
      perMessageDeflate: false,
      ...options,
      headers: { authorization: `Bearer ${token}`, ...options.headers },
    });
    this.socket.on("error", () => {});
    this.socket.on("message", (data) => {
      const packet = new Uint8Array(data as Buffer);
      if (packet[0] === 0x53) this.frames.push(...(binaryCodec.decode(packet) as never[]));
    });
    this.socket.on("close", (code, reason) => {
      this.closeCode = code;
      this.reason = reason.toString();
    });
  }
  static async open(url: string, how: DialHow = {}): Promise<Attacker> {
    const attacker = new Attacker(url, how);
    await once(attacker.socket, "open");
    return attacker;
  }
  /** One that has said hello. */
  static async welcome(url: string, hello: object = {}, how: DialHow = {}): Promise<Attacker> {
    const attacker = await Attacker.open(url, how);
    attacker.hello(hello);
    await until(() => attacker.closeCode !== null || attacker.has("welcome"), "an answer to hello");
    return attacker;
  }
  hello(hello: object = {}): void {
    const instance = `i${Math.random()}`;
    this.say({
      type: "hello",
      versions: binaryCodec.versions,
      instance,
      link: 1,
      client: "mallory",
      ordinal: null,
      ...hello,
    });
  }
  say(...frames: object[]): void {
    this.socket.send(binaryCodec.encode(frames as Frame[]));
  }
  json(text: string): void {
    this.socket.send(Buffer.from(text));
  }
  has(type: string): boolean {
    return this.frames.some((frame) => frame.type === type);
  }
  next(): number {
    return ++this.#requests;
  }
  /** What answers a request, or the first of a type that comes from now on. */
  async answer(what: { readonly request: number } | { readonly type: string; readonly from: number }) {
    const find = () =>
      "request" in what
        ? this.frames.find((frame) => frame["request"] === what.request)
        : this.frames.slice(what.from).find((frame) => frame.type === what.type);
    await until(() => find() !== undefined || this.closeCode !== null, `an answer to ${JSON.stringify(what)}`);
    const found = find();
    if (found === undefined) throw new Error(`the link was closed: ${this.closeCode} ${this.reason}`);
    return found as unknown as Readonly<Record<string, unknown>> & { readonly error: { readonly code: string } };
  }
  /** Sends a request; the type of its answer, or the code of its refusal. */
  async request(frame: object): Promise<string> {
    const request = this.next();
    this.say({ ...frame, request });
    const answer = await this.answer({ request });
    return (answer["type"] as string) === "refused" ? answer.error.code : (answer["type"] as string);
  }
  async ended(): Promise<number> {
    await until(() => this.closeCode !== null, "the end of the link");
    return this.closeCode as number;
  }
  /**
   * Reads nothing more, and says a little now and then, until the other side has had enough:
   * a socket that is not read hears of its end by writing.
   */
  async endedUnread(): Promise<number> {
    const saying = setInterval(() => {
      if (this.socket.readyState === WebSocket.OPEN) this.say({ type: "lane.close", lane: 99 });
    }, 100);
    try {
      return await this.ended();
    } finally {
      clearInterval(saying);
    }
  }
  get goodbye(): string | null {
    const said = this.frames.find((frame) => frame.type === "goodbye") as
      | { error: { code: string } | null }
      | undefined;
    return said?.error?.code ?? null;
  }
}

export const VIOLATION = { code: 4400, goodbye: "PROTOCOL_VIOLATION" };
/**
 * The broker under attack, and what attacks have in common.
 * They run in rounds: what stays behind after a round has a name of its own.
 */
export class Target {
  url = "";
  readonly round: number;
  constructor(round: number) {
    this.round = round;
  }
  get port(): number {
    return Number(new URL(this.url).port);
  }
  named(name: string): string {
    return `${name}-${this.round}`;
  }
  async openLane(
    attacker: Attacker,
    producer = "mallory",
    topic = "evil",
  ): Promise<{ epoch: number; expected: number }> {
    const request = attacker.next();
    attacker.say(laneOpen(topic, { producer, request }));
    return (await attacker.answer({ request })) as never;
  }
  /** Joins a topic of one queue and takes its lease. */
  async holder(topic: string, name: string, group = name): Promise<{ attacker: Attacker; epoch: number }> {
    const attacker = await Attacker.welcome(this.url, {}, { token: validFor(name) });
    expect(await attacker.request(memberJoin(topic, group, { name }))).toBe("member.joined");
    await attacker.answer({ type: "lease.offered", from: 0 });
    const request = attacker.next();
    attacker.say({ type: "lease.acquire", member: 1, queue: 0, resume: null, request });
    const { epoch } = (await attacker.answer({ request })) as unknown as { epoch: number };
    return { attacker, epoch };
  }
  /** Does something on a link that has said hello, and says how the link ended. */
  async afterHello(act: (attacker: Attacker) => void) {
    const attacker = await Attacker.welcome(this.url);
    act(attacker);
    return { code: await attacker.ended(), goodbye: attacker.goodbye };
  }
  async refusal(headers: Record<string, string>): Promise<{ status: number; code: string | undefined }> {
    const raw = new Raw(this.port);
    raw.socket.write(upgradeRequest({ authorization: `Bearer ${validFor("mallory")}`, ...headers }));
    await raw.ended;
    return { status: raw.status, code: raw.header("seriatim-error") };
  }
}
