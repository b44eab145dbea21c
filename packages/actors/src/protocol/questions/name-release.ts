import { nothing, nullable, since } from "../checks.ts";
import { name, text } from "../field-checks.ts";
import { question } from "./definition.ts";
import { toManage } from "./rights.ts";

/**
 * A producer's name (`group: null`), or a member's of the group, is from then on the first one's that comes. Does
 * nothing for a name that is nobody's.
 */
export interface NameRelease {
  readonly kind: "name.release";
  readonly topic: string;
  readonly group: string | null;
  readonly name: string;
  readonly reason: string;
}

export const nameRelease = question<NameRelease, null>({
  kind: "name.release",
  fields: since(2, { topic: name, group: nullable(name), name, reason: text }),
  answer: nothing,
  needs: toManage,
  effect: "idempotent",
});
