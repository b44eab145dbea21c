import { describe, expect, it } from "vitest";
import { fromWireError, isMessagingError, MessagingError, toWireError } from "./errors.ts";

describe("an error on the wire", () => {
  it("keeps its code, message and data", () => {
    const error = new MessagingError("QUEUE_FULL", "no room", { data: { queue: 3 } });
    expect(fromWireError(toWireError(error))).toMatchObject({
      code: "QUEUE_FULL",
      message: "no room",
      data: { queue: 3 },
    });
  });
  it("says of a broker that has lost its data to another that it is away: its clients ask again, and do not give up", () => {
    const error = fromWireError(toWireError(new MessagingError("STORE_IN_USE", "the data was opened again")));
    expect(isMessagingError(error, "UNAVAILABLE")).toBe(true);
    expect(error.retryable).toBe(true);
  });
});
