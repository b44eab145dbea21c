// The cases that take long. How to add one stands in docs/testing.md.
import { runCases } from "./run-cases.fixture.ts";

await runCases("heavy");
