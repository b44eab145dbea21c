// The main demo: an event log through real processes, faults while it runs, and a verdict on every promise.
// Its children are this program again, with `child` as the first word.
import { DemoError } from "./demo-error.ts";

if (process.argv[2] === "child") {
  const { runChild } = await import("./child.ts");
  runChild();
} else {
  const { drive } = await import("./driver.ts");
  try {
    process.exitCode = await drive(process.argv.slice(2));
  } catch (error) {
    if (error instanceof DemoError) console.error(`seriatim demo: ${error.message}`);
    else console.error(error);
    process.exitCode = error instanceof DemoError ? error.exitCode : 1;
  }
  process.exit(); // nothing may keep a finished run alive
}
