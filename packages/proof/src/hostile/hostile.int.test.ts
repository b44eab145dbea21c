// Clients that send legal frames in bad taste, beside an honest one. How to add a case stands in docs/testing.md.
import { runCases } from "./run-cases.fixture.ts";

await runCases("quick");
