/** What a part of the deep tests is given time by. */
export interface Needs {
  readonly name: string;
  /** Of 60. */
  readonly share: number;
  /** Less is not worth beginning. */
  readonly minutesMin: number;
  /** Takes as long as it takes: more minutes than its least are of no use to it. */
  readonly isFixed: boolean;
}

/**
 * Divides minutes among parts. Each gets its least first, in this order, as long as it fits;
 * what is left goes to those that can use it, by their shares. A part that is not in the result was left no room.
 */
export function allot(parts: readonly Needs[], minutes: number): ReadonlyMap<string, number> {
  const given = new Map<string, number>();
  let left = minutes;
  for (const { name, minutesMin } of parts) {
    if (minutesMin > left) continue;
    given.set(name, minutesMin);
    left -= minutesMin;
  }
  const open = parts.filter(({ name, isFixed }) => !isFixed && given.has(name));
  const shares = open.reduce((sum, { share }) => sum + share, 0);
  for (const { name, share, minutesMin } of open) given.set(name, minutesMin + (left * share) / shares);
  return given;
}
