import type { Link } from "@seriatim/actors/client";
import {
  type BrokerFrame,
  binaryCodec,
  type ClientFrame,
  type LaneOpen,
  type LeaseAcquire,
  type MemberJoin,
} from "@seriatim/actors/internals";
import type { ProcessRuntime } from "../network/process-runtime.ts";
import type { OverheardClient, OverheardLane, OverheardMember } from "../watch/overheard.ts";
import { INTRUDER } from "../watch/strangers.ts";
import type { World } from "./world.ts";

/** Above every link number that anybody has. */
const HIGH = 1e9;
const STAYS_MS = 600;
/** Its members: one under its victim's name, one under its own. */
const THEIRS = 1;
const OWN = 2;

interface Attempt {
  readonly frame: Omit<LaneOpen, "request"> | Omit<MemberJoin, "request"> | Omit<LeaseAcquire, "request">;
  /** What it would be given. */
  readonly what: string;
  /** Whether that is somebody else's. */
  readonly isTheirs: () => boolean;
}

/**
 * A client with a principal of its own that has read along, and shows what is another's: its instance and epochs, the
 * names of its producers and members. It may do everything, and is given nothing that is another's
 * (rules 4, 11, 16, 18).
 */
export class Intruder {
  readonly #world: World;
  readonly #random: () => number;
  readonly #runtime: ProcessRuntime;
  #links = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.stream(INTRUDER);
    this.#runtime = world.processRuntime(INTRUDER);
  }
  /** Comes once, with what is known of one client. */
  async intrude(): Promise<void> {
    const { network, overheard } = this.#world;
    const victim = this.#pick(overheard.clients.filter(({ instance }) => instance !== ""));
    if (victim === undefined) return;
    try {
      const transport = network.transport({ name: INTRUDER, runtime: this.#runtime });
      this.#talk(await transport.dial({ signal: new AbortController().signal, token: INTRUDER }), victim);
    } catch {
      return; // there is no broker now
    }
  }
  #talk(link: Link, victim: OverheardClient): void {
    const asked = new Map<number, Attempt>();
    const say = (...frames: readonly ClientFrame[]) => link.send(binaryCodec.encode(frames));
    const attempt = (of: Attempt): void => {
      asked.set(asked.size, of);
      say({ ...of.frame, request: asked.size - 1 } as ClientFrame);
    };
    const member = this.#pick([...victim.members.values()].filter(({ joined }) => joined));
    link.frames$.subscribe((packet) => {
      for (const frame of binaryCodec.decode(packet) as BrokerFrame[]) {
        const of = "request" in frame && frame.request !== null ? asked.get(frame.request) : undefined;
        if (of !== undefined) this.#answered(frame, of);
        if (frame.type !== "member.joined") continue;
        if (frame.member === THEIRS) say({ type: "member.leave", member: THEIRS });
        else if (member !== undefined) for (const each of resumes(member)) attempt(each);
      }
    });
    const { instance } = victim;
    const { versions } = binaryCodec;
    say({ type: "hello", versions, instance, link: HIGH + ++this.#links, client: INTRUDER, ordinal: null });
    say({ type: "heartbeat", beat: 1, leases: [], grantsSeen: HIGH });
    for (const each of [...lanes(this.#pick([...victim.lanes.values()])), ...joins(member)]) attempt(each);
    this.#runtime.setTimeout(() => {
      say({ type: "member.leave", member: OWN });
      link.close("normal");
    }, STAYS_MS);
  }
  #answered(frame: BrokerFrame, { what, isTheirs }: Attempt): void {
    const { counters } = this.#world;
    if (frame.type !== "refused") {
      if (isTheirs()) this.#world.violate("P11", `another principal was given ${what}`);
    } else if (frame.error.code === "NAME_IN_USE") counters.hit("nameOfAnotherRefused");
    else if (frame.error.code === "STALE_EPOCH") counters.hit("resumeByAnotherRefused");
  }
  #pick<T>(of: readonly T[]): T | undefined {
    return of[Math.floor(this.#random() * of.length)];
  }
}

/** As its producer, under a new epoch and under the present one. */
function lanes(theirs: OverheardLane | undefined): Attempt[] {
  if (theirs === undefined) return [];
  const { open, epoch } = theirs;
  const what = `a lane of "${open.topic}" as producer "${open.producer}"`;
  return [null, epoch].map((shown, index) => ({
    frame: { ...open, lane: index + 1, epoch: shown },
    what,
    isTheirs: () => true,
  }));
}
function joins(theirs: OverheardMember | undefined): Attempt[] {
  if (theirs === undefined) return [];
  const { join } = theirs;
  const what = `the name of member "${join.name}" of "${join.group}"`;
  return [
    { frame: { ...join, member: THEIRS }, what, isTheirs: () => theirs.joined },
    { frame: { ...join, member: OWN, name: INTRUDER }, what: "a name of its own", isTheirs: () => false },
  ];
}
/** Under a name of its own, with the instance and the epochs of its victim. */
function resumes({ join, leases }: OverheardMember): Attempt[] {
  const settle = { ranges: [], redriven: [], tried: [], redrivenTried: [] };
  return [...leases].map(([queue, epoch]) => ({
    frame: { type: "lease.acquire", member: OWN, queue, resume: { epoch, inHand: [], redrivenInHand: [], settle } },
    what: `the lease of queue ${queue} for "${join.group}"`,
    isTheirs: () => true,
  }));
}
