import { ReplaySubject } from "rxjs";
import { describe, expect, it } from "vitest";
import type { IncomingLink, Transport } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";
import { BrokerBench } from "./broker.fixture.ts";

/** A place to listen at that keeps what happens there. */
class Place {
  readonly links = new ReplaySubject<IncomingLink>();
  isListening = false;
  readonly transport: Transport;

  constructor(address: string, refusal: MessagingError | null = null) {
    const close = async (): Promise<void> => {
      this.isListening = false;
      this.links.complete();
    };
    this.transport = {
      dial: () => Promise.reject(new MessagingError("UNAVAILABLE", "dial by hand")),
      listen: async () => {
        if (refusal !== null) throw refusal;
        this.isListening = true;
        return { links$: this.links, address, close, [Symbol.asyncDispose]: close };
      },
    };
  }
}
const taken = new MessagingError("UNAVAILABLE", "the port is in use");

describe("a broker on several transports", () => {
  it("serves whoever comes, whichever way: one client's links count as one another's", async () => {
    const second = new Place("second");
    const bench = await BrokerBench.start({ transports: (own) => [own, second.transport] });
    expect([bench.broker.address, bench.broker.addresses]).toEqual(["test", ["test", "second"]]);
    const first = await bench.client("same", 1);
    await first.join("a");
    const accept = bench.accept;
    bench.accept = (link) => second.links.next(link);
    const other = await bench.client("other");
    await other.join("b");
    await bench.runtime.advance(2_000);
    expect([first.offered.length, other.offered.length]).toEqual([1, 1]); // one group
    await bench.client("same", 2);
    expect(first.link.end).toMatchObject({ code: "normal" }); // the older link of a client that has come the other way
    bench.accept = accept;
    await bench.broker.close();
    expect(second.isListening).toBe(false);
    expect(other.link.end).toMatchObject({ code: "unavailable" });
  });

  it("does not start when it cannot listen at one of them, and listens at none", async () => {
    const [first, last] = [new Place("first"), new Place("last")];
    const transports = [first, new Place("taken", taken), last].map(({ transport }) => transport);
    await expect(BrokerBench.start({ transports: () => transports })).rejects.toBe(taken);
    expect([first, last].map(({ isListening }) => isListening)).toEqual([false, false]);
    expect(last.links.observed).toBe(false);
  });

  it("needs each of them to listen", async () => {
    const first = new Place("first");
    const { dial } = first.transport;
    await expect(BrokerBench.start({ transports: () => [first.transport, { dial }] })).rejects.toMatchObject({
      code: "OPTION_INVALID",
    });
    expect(first.isListening).toBe(false);
  });

  it("closes the others, though one fails to close", async () => {
    const [first, last] = [new Place("first"), new Place("last")];
    const failing: Transport = {
      ...first.transport,
      listen: async (options) => ({
        ...(await (first.transport.listen as NonNullable<Transport["listen"]>)(options)),
        close: () => Promise.reject(new Error("stuck")),
      }),
    };
    const bench = await BrokerBench.start({ transports: (own) => [own, failing, last.transport] });
    await expect(bench.broker.close()).rejects.toThrow("stuck");
    expect(last.isListening).toBe(false);
    expect(bench.broker.actors.list()).toEqual([]);
  });
});
