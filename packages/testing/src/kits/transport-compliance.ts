import type { ComplianceRunner } from "./compliance-runner.ts";
import { dials } from "./transport-dials.ts";
import { ends } from "./transport-ends.ts";
import { frames } from "./transport-frames.ts";
import { Bench, type TransportFixture, type TransportTests } from "./transport-harness.ts";
import { pauses } from "./transport-pauses.ts";

/** The promises of the `Transport` contract as tests: every transport runs them. */
export function transportCompliance(
  name: string,
  open: () => Promise<TransportFixture>,
  { describe, it }: ComplianceRunner,
): void {
  const promise: TransportTests["promise"] = (title, run) =>
    it(title, async () => {
      const fixture = await open();
      const bench = new Bench(fixture);
      try {
        await run(bench);
      } finally {
        await bench.end();
        await fixture[Symbol.asyncDispose]();
      }
    });
  const eitherWay: TransportTests["eitherWay"] = (title, run) => {
    promise(`${title} (from the dialling side)`, async (bench) => {
      const [dialled, accepted] = await bench.pair();
      await run(dialled, accepted, bench, "dialling");
    });
    promise(`${title} (from the listening side)`, async (bench) => {
      const [dialled, accepted] = await bench.pair();
      await run(accepted, dialled, bench, "listening");
    });
  };
  describe(`transport: ${name}`, () => {
    for (const define of [frames, pauses, ends, dials]) define({ promise, eitherWay });
  });
}
