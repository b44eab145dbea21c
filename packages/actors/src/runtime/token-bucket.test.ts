import { expect, it } from "vitest";
import { TokenBucket } from "./token-bucket.ts";

it("allows its burst at once, then the rate, and asks for the time only when it must", () => {
  let now = 0;
  let asked = 0;
  const runtime = {
    now: () => {
      asked++;
      return now;
    },
  };
  const bucket = new TokenBucket(runtime, 100, 200);
  for (let n = 0; n < 200; n++) expect(bucket.take(1)).toBe(0);
  expect(asked).toBe(1);
  expect(bucket.take(1)).toBe(10);
  expect(bucket.take(9)).toBe(100);
  now += 100;
  expect(bucket.take(0)).toBe(0);
  expect(bucket.tryTake(1)).toBe(false);
  now += 10;
  expect(bucket.tryTake(1)).toBe(true);
  expect(bucket.full).toBe(false);
  now += 60_000;
  expect(bucket.full).toBe(true);
  expect(bucket.tryTake(201)).toBe(false);
  expect(bucket.tryTake(200)).toBe(true);
});
