/** Leaves out one after the other, the last first, as long as it still fails without. */
export async function fewest<T>(
  all: readonly T[],
  fails: (less: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let needed = all;
  for (const each of all.toReversed()) {
    const less = needed.filter((other) => other !== each);
    if (await fails(less)) needed = less;
  }
  return needed;
}
