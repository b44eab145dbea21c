import type { HostileSetup, Target } from "./target.fixture.ts";

/**
 * One client in bad taste: what it may do, what it sends, and what must hold.
 * Runs in both codecs, over both transports, beside an honest client.
 */
export interface HostileCase extends HostileSetup {
  /** What must hold, as a sentence without its first word's capital. */
  readonly name: string;
  /** What the broker may log as an error. @default nothing */
  readonly mayLog?: RegExp;
  /** Takes more than some seconds for all four runs: only in `npm run test:deep`. */
  readonly isHeavy?: true;
  /** Sends, and looks at what comes, with `expect`. */
  readonly attack: (target: Target) => Promise<void>;
}
/** So many of what `make` makes. */
export const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
