import type { SimulatedRuntime } from "@seriatim/actors/internals";
import type { TraceHash } from "../chance/trace-hash.ts";
import type { ProcessRuntime } from "./process-runtime.ts";

/** One process, as the network knows it. */
export interface LinkSide {
  /** Name without incarnation. */
  readonly name: string;
  readonly runtime: ProcessRuntime;
}
export interface WiresOptions {
  readonly runtime: SimulatedRuntime;
  readonly random: () => number;
  readonly trace: TraceHash;
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Sees every packet. */
  readonly tap: (
    what: "sent" | "arrived" | "lost",
    from: string,
    to: string,
    packet: Uint8Array,
    dialler: LinkSide,
  ) => void;
  /** A process reads no more of a link for now. */
  readonly onHeldBack?: () => void;
}
/** Waits for a packet. */
interface Trap {
  readonly from: string;
  readonly to: string;
  /** Says whether this is the packet. */
  readonly takes: (packet: Uint8Array) => boolean;
}
interface Blocked {
  readonly from: string;
  readonly to: string;
}

/**
 * What lies between the processes: how long a packet takes, who is cut off from whom, and over which packets a link
 * breaks.
 */
export class Wires {
  readonly #options: WiresOptions;
  readonly #blocked = new Set<Blocked>();
  readonly #slow = new Map<string, number>();
  readonly #traps = new Set<Trap>();
  #held: { readonly from: string; readonly to: string; readonly fn: () => void }[] = [];

  constructor(options: WiresOptions) {
    this.#options = options;
  }

  /* ---------- faults ---------- */

  /** Holds back what goes from one to the other. Returns what heals it. */
  block(from: string, to: string): () => void {
    const rule = { from, to };
    this.#blocked.add(rule);
    return () => {
      if (!this.#blocked.delete(rule)) return;
      const held = this.#held;
      this.#held = [];
      for (const each of held) this.#arrive(each.from, each.to, each.fn);
      this.opened();
    };
  }
  /** Links break over the next packet that `takes` says yes to. */
  trap(from: string, to: string, takes: (packet: Uint8Array) => boolean): () => void {
    const trap = { from, to, takes };
    this.#traps.add(trap);
    return () => void this.#traps.delete(trap);
  }
  slowDown(name: string, factor: number): () => void {
    this.#slow.set(name, factor);
    return () => void this.#slow.delete(name);
  }

  /* ---------- what links ask ---------- */

  now(): number {
    return this.#options.runtime.now();
  }
  after(ms: number, fn: () => void): void {
    this.#options.runtime.setTimeout(fn, ms);
  }
  delay(from: string, to: string): number {
    const { delayMs, jitterMs, random } = this.#options;
    return (delayMs + random() * jitterMs) * Math.max(this.#slow.get(from) ?? 1, this.#slow.get(to) ?? 1);
  }
  isBlocked(from: string, to: string): boolean {
    for (const rule of this.#blocked) if (rule.from === from && rule.to === to) return true;
    return false;
  }
  random(): number {
    return this.#options.random();
  }
  /** Whether a link breaks over this packet, which is lost. */
  breaksOver(from: string, to: string, packet: Uint8Array): boolean {
    for (const trap of this.#traps) {
      if (trap.from !== from || trap.to !== to || !trap.takes(packet)) continue;
      this.#traps.delete(trap);
      return true;
    }
    return false;
  }
  /** A process reads no more of a link for now. */
  heldBack(): void {
    this.#options.onHeldBack?.();
  }
  packet(what: "sent" | "arrived" | "lost", from: string, to: string, packet: Uint8Array, dialler: LinkSide): void {
    const { trace, tap } = this.#options;
    trace.text(`${what} ${from}>${to} ${this.now()}`);
    if (what === "sent") trace.bytes(packet);
    tap(what, from, to, packet, dialler);
  }
  /** From one machine to the other, in its time, as soon as anything gets through. */
  trip(from: string, to: string, fn: () => void): void {
    this.after(this.delay(from, to), () => this.#arrive(from, to, fn));
  }
  /** Something goes through again that did not. */
  protected opened(): void {}
  #arrive(from: string, to: string, fn: () => void): void {
    if (this.isBlocked(from, to)) this.#held.push({ from, to, fn });
    else fn();
  }
}
