// What the attacking process is told to do, and what it says of it.
import type { PrincipalName } from "./wire.ts";

export type Attack =
  | { readonly what: "prepare" }
  /** Messages of so many bytes, windowed, for so long. */
  | { readonly what: "append"; readonly ms: number }
  /** Frames of this entry by this principal, for so long or so many bytes, whichever comes first. */
  | {
      readonly what: "send";
      readonly entry: string;
      readonly principal: PrincipalName;
      readonly ms: number;
      readonly bytesMax: number;
    };
export interface Attacked {
  readonly frames: number;
  readonly bytes: number;
  /** What answered, by how often. */
  readonly heard: Readonly<Record<string, number>>;
}
