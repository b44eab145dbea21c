// Process chaos: real processes over WebSocket and LMDB, struck by planned faults, judged round by round.
// Its children are this program again, with `child` as the first word.
import { setMaxListeners } from "node:events";
import { CommanderError } from "commander";

if (process.argv[2] === "child") {
  const [{ serveParent }, { startRole }] = await Promise.all([import("@seriatim/rig"), import("./child.ts")]);
  serveParent(startRole);
} else {
  const { parseOptions } = await import("./options.ts");
  const { runChaos } = await import("./run-chaos.ts");
  const interrupted = new AbortController();
  setMaxListeners(0, interrupted.signal); // every fault under way listens
  let signals = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (++signals > 1) process.exit(130); // asked twice: at once
      interrupted.abort(new Error("interrupted"));
    });
  try {
    const options = parseOptions(process.argv.slice(2));
    process.exitCode = options === null ? 0 : await runChaos(options, interrupted.signal);
  } catch (error) {
    if (!(error instanceof CommanderError)) console.error(error);
    process.exitCode = error instanceof CommanderError ? 2 : 1;
  }
  process.exit(); // nothing may keep a finished run alive
}
