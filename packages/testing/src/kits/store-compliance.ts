import type { ComplianceRunner } from "./compliance-runner.ts";
import { commits } from "./store-commits.ts";
import type { StoreFixture, StoreFixtureOptions, StorePromise } from "./store-harness.ts";
import { owners } from "./store-owners.ts";
import { reads } from "./store-reads.ts";

/** The promises of the `Store` contract as tests: every store runs them. */
export function storeCompliance(
  name: string,
  open: (options?: StoreFixtureOptions) => Promise<StoreFixture>,
  { describe, it }: ComplianceRunner,
): void {
  const promise: StorePromise = (title, run, options) =>
    it(title, async () => {
      const fixture = await open(options);
      try {
        await run(fixture.store, fixture);
      } finally {
        await fixture[Symbol.asyncDispose]();
      }
    });
  describe(`store: ${name}`, () => {
    for (const define of [reads, commits, owners]) define(promise);
  });
}
