import type { BrokerBench, TestClient } from "../broker/broker.fixture.ts";
import type { ClientFrame } from "./frames.ts";
import { below, pick, type Random } from "./fuzz-bytes.fixture.ts";
import { legalCourse, type Make } from "./fuzz-course.fixture.ts";
import { binaryCodec } from "./index.ts";
import { PROTOCOL_VERSIONS } from "./version.ts";

/** Links of a bulk at most, packets of a link, frames of a packet. */
const LINKS = 3;
const PACKETS = 2;
const FRAMES = [200, 600, 1_500] as const;
/** Questions of one link that may wait (`askedMax`). */
const ASKED_MAX = 1_000;

/** Frames of one link until it is the others' turn, in a broker that bulks are sent to. */
export const BULK_SLICE_FRAMES = 64;
/**
 * Several links at once, of somebody who may do much (`mallory`) or nothing (`stranger`), send packets of hundreds or
 * thousands of legal frames, of one type or a few.
 * @throws when one of them meets a fault of the broker's, when more questions of one wait than may, or when somebody
 * else's heartbeat is not answered, or only once far more of theirs was than a slice of each
 * @returns what was sent, in short: all of it is far too long to show
 */
export async function sendBulk(bench: BrokerBench, random: Random): Promise<readonly string[]> {
  const witness = await bench.client(`witness-${below(random, 2 ** 31)}`);
  const senders = Array.from({ length: 1 + below(random, LINKS) }, (_, n) => new Sender(bench, random, n));
  for (const sender of senders) sender.begin();
  await bench.runtime.settle();
  let isWaiting = false; // what came before comes again to whoever subscribes
  let answeredBefore = 0;
  for (const { client } of senders)
    client.link.frames$.subscribe((packet) => {
      if (isWaiting) answeredBefore += binaryCodec.decode(packet).length;
    });
  const isAnswered = () => witness.all("heartbeat.answered").length > 0;
  witness.link.frames$.subscribe(() => {
    isWaiting &&= !isAnswered();
  });
  isWaiting = true;
  for (const sender of senders) sender.send();
  await witness.say({ type: "heartbeat", beat: 1, grantsSeen: 0, leases: [] });
  await bench.runtime.advance(1_000);
  const said = senders.map((sender) => sender.said);
  if (!isAnswered()) throw new Error(`beside a bulk no heartbeat was answered: ${said.join("; ")}`);
  witness.link.abort();
  for (const sender of senders) sender.look();
  const answeredMax = 2 * senders.length * BULK_SLICE_FRAMES;
  if (answeredBefore > answeredMax)
    throw new Error(`${answeredBefore} frames were answered before the heartbeat of another link: ${said.join("; ")}`);
  return said;
}

class Sender {
  readonly client: TestClient;
  readonly #random: Random;
  readonly #principal: string;
  readonly #course: readonly Make[];
  readonly #makes: readonly Make[];
  #requests = 100; // those of the course are below
  #asked = 0;
  #types: string[] = [];

  constructor(bench: BrokerBench, random: Random, n: number) {
    this.#random = random;
    this.#principal = pick(random, ["mallory", "stranger"]);
    this.client = bench.dial(this.#principal);
    const [hello, ...rest] = legalCourse(random, 1, Math.max(...PROTOCOL_VERSIONS));
    this.#course = [(client) => ({ ...hello?.(client), instance: `bulk-${below(random, 2 ** 31)}-${n}` }), ...rest];
    this.#makes = Array.from({ length: 1 + below(random, 3) }, () => pick(random, rest));
  }
  get said(): string {
    return `${this.#principal}: ${this.#types.join(", ")}`;
  }
  /** Some of a legal course, so that there is something to be about. */
  begin(): void {
    for (const make of this.#course.slice(0, 1 + below(this.#random, this.#course.length))) this.#say([make]);
  }
  send(): void {
    for (let packets = 1 + below(this.#random, PACKETS); packets > 0; packets--) {
      const count = pick(this.#random, FRAMES);
      this.#say(Array.from({ length: count }, () => pick(this.#random, this.#makes)));
    }
  }
  #say(makes: readonly Make[]): void {
    const frames = makes.map((make) => this.#numbered(make(this.client) as ClientFrame));
    this.#types.push(`${frames.length} × ${[...new Set(frames.map(named))].join("/")}`);
    this.client.link.send(binaryCodec.encode(frames));
  }
  #numbered(frame: ClientFrame): ClientFrame {
    if (frame.type === "ask") this.#asked++;
    return "request" in frame ? { ...frame, request: ++this.#requests } : frame;
  }
  /** What became of it. */
  look(): void {
    const { end } = this.client.link;
    if (end?.code === "internal") throw new Error(`the link ended as internal, after ${this.said}`);
    const faulty = this.client.frames.find((frame) => "error" in frame && frame.error?.code === "INTERNAL");
    if (faulty !== undefined) throw new Error(`"${faulty.type}" tells of a fault of the broker's, after ${this.said}`);
    const waiting = this.#asked - this.client.all("answer").length - this.client.all("refused").length;
    if (end === null && waiting > ASKED_MAX) throw new Error(`${waiting} questions wait, after ${this.said}`);
    this.client.link.abort();
  }
}
const named = (frame: ClientFrame): string => (frame.type === "ask" ? frame.question.kind : frame.type);
