import type { Epoch } from "@seriatim/actors/client";
import type { LaneOpen, MemberJoin, ReadFrame } from "@seriatim/actors/internals";

/** A name that its process has, as far as the frames show. */
export interface OverheardLane {
  readonly open: LaneOpen;
  epoch: Epoch;
}
export interface OverheardMember {
  join: MemberJoin;
  /** It has not said that it leaves. */
  joined: boolean;
  /** Leases that were granted to it last, by queue. */
  readonly leases: Map<number, Epoch>;
}
/** What somebody who reads along knows of one client. */
export interface OverheardClient {
  instance: string;
  readonly lanes: Map<string, OverheardLane>;
  readonly members: Map<string, OverheardMember>;
}

/** All that goes over the network, as an intruder would know it who reads along: instances, names, epochs. */
export class Overheard {
  readonly #clients = new Map<string, OverheardClient>();
  /** By client and request: what its answer makes known. */
  readonly #asked = new Map<string, LaneOpen | MemberJoin>();
  /** By client: its members by their numbers. */
  readonly #numbers = new Map<string, OverheardMember>();

  get clients(): readonly OverheardClient[] {
    return [...this.#clients.values()];
  }
  see(frame: ReadFrame, client: string): void {
    switch (frame.type) {
      case "hello":
        this.#of(client).instance = frame.instance;
        return;
      case "lane.open":
      case "member.join":
        this.#asked.set(`${client} ${frame.request}`, frame);
        return;
      case "lane.opened": {
        const open = this.#take(client, frame.request);
        if (open?.type === "lane.open")
          this.#of(client).lanes.set(`${open.topic} ${open.queue} ${open.producer}`, { open, epoch: frame.epoch });
        return;
      }
      case "member.joined": {
        const join = this.#take(client, frame.request);
        if (join?.type !== "member.join") return;
        const name = `${join.topic} ${join.group} ${join.name}`;
        const { members } = this.#of(client);
        const member = members.get(name) ?? { join, joined: true, leases: new Map<number, Epoch>() };
        member.join = join;
        member.joined = true;
        members.set(name, member);
        this.#numbers.set(`${client} ${join.member}`, member);
        return;
      }
      case "member.leave": {
        // also before its join is answered: what the answer says then is over
        for (const [key, asked] of this.#asked)
          if (asked.type === "member.join" && asked.member === frame.member && key.startsWith(`${client} `))
            this.#asked.delete(key);
        const member = this.#numbers.get(`${client} ${frame.member}`);
        if (member !== undefined) member.joined = false;
        return;
      }
      case "lease.granted":
        if (frame.request !== null)
          this.#numbers.get(`${client} ${frame.member}`)?.leases.set(frame.queue, frame.epoch);
        return;
      default:
        return;
    }
  }
  #of(client: string): OverheardClient {
    const known = this.#clients.get(client) ?? { instance: "", lanes: new Map(), members: new Map() };
    this.#clients.set(client, known);
    return known;
  }
  #take(client: string, request: number | null): LaneOpen | MemberJoin | undefined {
    const asked = this.#asked.get(`${client} ${request}`);
    this.#asked.delete(`${client} ${request}`);
    return asked;
  }
}
