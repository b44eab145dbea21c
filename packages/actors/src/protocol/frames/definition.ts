import type { Fields, LaterFields } from "../checks.ts";
import type { Layout } from "./layout.ts";

type Typed = { readonly type: string };
/** All there is to say of one type of frame. */
export interface FrameDefinition<F extends Typed> {
  readonly type: F["type"];
  /**
   * A check for every field but `type`. What came with a later protocol version says so: `since(2, …)` around the
   * check of a field, or around all of them.
   */
  readonly fields: Fields<Omit<F, "type">> | LaterFields<Fields<Omit<F, "type">>>;
  /** How the binary codec writes it. @default as a map */
  readonly layout?: Layout<F>;
  /** How many bytes it takes in the binary codec, at most and nearly; cheap. @default counted field by field */
  readonly bytes?: (frame: F) => number;
  /** Frames that say together what this one says, in order; `null` where it cannot be divided. @default never */
  divided?(frame: F): readonly F[] | null;
}
/** A type of frame. */
export const frame = <F extends Typed>(definition: FrameDefinition<F>): FrameDefinition<F> => definition;
