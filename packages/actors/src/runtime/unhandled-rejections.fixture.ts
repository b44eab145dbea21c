import { afterAll, afterEach, expect } from "vitest";

/** From now on every test of the file fails that leaves a rejection to nobody. */
export function failOnUnhandledRejections(): void {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown) => rejections.push(reason);
  process.on("unhandledRejection", onRejection);
  afterEach(() => expect(rejections.splice(0)).toEqual([]));
  afterAll(() => void process.off("unhandledRejection", onRejection));
}
