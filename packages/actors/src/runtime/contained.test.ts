import { filter, map, Subject } from "rxjs";
import { expect, it } from "vitest";
import { contained } from "./contained.ts";

function setUp() {
  const source = new Subject<number>();
  const dropped: unknown[] = [];
  return { source, dropped, stream: contained(source, (error) => dropped.push(error)) };
}
const fault = (what: unknown): never => {
  throw what;
};

it("an observer that throws stays subscribed, behind operators, too", () => {
  const { source, dropped, stream } = setUp();
  const even = stream.pipe(
    filter((n) => n % 2 === 0),
    map((n) => n * 10),
  );
  stream.subscribe(fault);
  even.subscribe({ next: fault, complete: () => fault("completed") });
  for (const n of [1, 2, 3, 4]) source.next(n);
  source.complete();
  expect(dropped).toEqual([1, 2, 20, 3, 4, 40, "completed"]);
});
it("what throws within an operator ends that stream alone: whoever takes errors gets it, and nobody else's process ends", () => {
  const { source, dropped, stream } = setUp();
  const failing = stream.pipe(map(fault));
  const errors: unknown[] = [];
  const seen: number[] = [];
  failing.subscribe();
  failing.subscribe(() => {});
  failing.subscribe({ error: (error) => errors.push(error) });
  stream.subscribe((n) => void seen.push(n));
  for (const n of [1, 2]) source.next(n);
  expect([dropped, errors, seen]).toEqual([[1, 1], [1], [1, 2]]);
});
