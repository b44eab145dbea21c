export interface Point {
  readonly x: number;
  readonly y: number;
}
/** y = fixed + each × x. */
export interface Line {
  readonly fixed: number;
  readonly each: number;
}
export function lineThrough(a: Point, b: Point): Line {
  const each = (b.y - a.y) / (b.x - a.x);
  return { fixed: a.y - each * a.x, each };
}
export const at = ({ fixed, each }: Line, x: number): number => fixed + each * x;
