// A thread that runs seeds: one job in, one outcome out.
import { parentPort } from "node:worker_threads";
import { runSeed, type SeedJob } from "./seed-outcome.ts";

parentPort?.on("message", (job: SeedJob) => {
  void runSeed(job).then((outcome) => parentPort?.postMessage(outcome));
});
