/**
 * A running hash over strings and numbers (53 bits, in the manner of cyrb53): two runs that did the same things in the
 * same order show the same one.
 */
export class TraceHash {
  #high = 0xdeadbeef;
  #low = 0x41c6ce57;

  text(text: string): void {
    let { high, low } = { high: this.#high, low: this.#low };
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      high = Math.imul(high ^ code, 2_654_435_761);
      low = Math.imul(low ^ code, 1_597_334_677);
    }
    this.#high = high;
    this.#low = low;
  }
  bytes(bytes: Uint8Array): void {
    let { high, low } = { high: this.#high, low: this.#low };
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      high = Math.imul(high ^ byte, 2_654_435_761);
      low = Math.imul(low ^ byte, 1_597_334_677);
    }
    this.#high = high;
    this.#low = low;
  }
  /** 53 bits. */
  get value(): number {
    return mixed(this.#high, this.#low);
  }
  /** The same in 14 hexadecimal digits. */
  get digest(): string {
    return this.value.toString(16).padStart(14, "0");
  }
}

/**
 * Uniform in [0, 1), and the same for the same parts: what a decision is drawn from that must not depend on when it is
 * asked.
 */
export function chance(seed: number, ...parts: readonly (string | number)[]): number {
  const hash = new TraceHash();
  hash.text(`${seed}/${parts.join("/")}`);
  return hash.value / 2 ** 53;
}

function mixed(high: number, low: number): number {
  let a = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  let b = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  a ^= a >>> 15;
  b ^= b >>> 15;
  return 4_294_967_296 * (2_097_151 & b) + (a >>> 0);
}
