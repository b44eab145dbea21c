import { describe, expect, it } from "vitest";
import { MessagingError } from "./errors.ts";
import { untraced } from "./untraced.ts";

const refused = () => new MessagingError("FORBIDDEN", "no");

describe("untraced", () => {
  it("makes an error without the calls that led to it, and the next one has them again", () => {
    expect(untraced(refused).stack).not.toContain("    at ");
    expect(untraced(refused)).toMatchObject({ code: "FORBIDDEN", message: "no" });
    expect(refused().stack).toContain("    at ");
  });
  it("leaves stacks to others also when making it throws", () => {
    expect(() =>
      untraced(() => {
        throw refused();
      }),
    ).toThrow("no");
    expect(refused().stack).toContain("    at ");
  });
});
