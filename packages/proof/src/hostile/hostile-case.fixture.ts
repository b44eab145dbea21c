import type { Access, HostileTopic, RightLike } from "./open-broker.ts";
import type { Target } from "./target.fixture.ts";

/** One client in bad taste: what it may do, what it sends, and what must hold. Runs in both codecs, over both transports, beside an honest client. */
export interface HostileCase {
  /** What must hold, as a sentence without its first word's capital. */
  readonly name: string;
  /** What principals other than `owner` (everything) and `honest` (its own topic) may do; `{}` is every right. @default [] */
  readonly may?: readonly RightLike[];
  readonly topics?: readonly HostileTopic[];
  /** @default "memory" */
  readonly store?: "memory" | "lmdb";
  readonly messageBytesMax?: number;
  readonly frameBytesMax?: number;
  /** The broker runs in a process of its own with so much heap, MiB. */
  readonly heapMiB?: number;
  /** Changes who comes in and who may do what, where that is what the case is about. Not with `heapMiB`. */
  readonly access?: (usual: Access) => Access;
  /** What the broker may log as an error. @default nothing */
  readonly mayLog?: RegExp;
  /** Takes more than some seconds for all four runs: only in `npm run test:deep`. */
  readonly isHeavy?: true;
  /** Sends, and looks at what comes, with `expect`. */
  readonly attack: (target: Target) => Promise<void>;
}
