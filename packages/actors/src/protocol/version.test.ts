import { describe, expect, it } from "vitest";
import { negotiateVersion } from "./version.ts";

describe("negotiateVersion", () => {
  it("picks the highest version that both speak, in whatever order they are listed", () => {
    expect(negotiateVersion([1, 2, 3], [2, 1])).toBe(2);
    expect(negotiateVersion([3, 1], [1, 3, 7])).toBe(3);
    expect(negotiateVersion([1], [1])).toBe(1);
  });
  it("finds none where there is none", () => {
    expect(negotiateVersion([1, 2], [3])).toBeNull();
    expect(negotiateVersion([1], [])).toBeNull();
    expect(negotiateVersion([], [1])).toBeNull();
  });
});
