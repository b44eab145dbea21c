// The main demo: an event log through real processes, faults while it runs, and a verdict on every promise.
// Its children are this program again, with `child` as the first word.
import { ProgramError, serveParent } from "@seriatim/rig";

if (process.argv[2] === "child") {
  const { startRole } = await import("./child.ts");
  serveParent(startRole);
} else {
  const { drive } = await import("./driver.ts");
  try {
    process.exitCode = await drive(process.argv.slice(2));
  } catch (error) {
    if (error instanceof ProgramError) console.error(`seriatim demo: ${error.message}`);
    else console.error(error);
    process.exitCode = error instanceof ProgramError ? error.exitCode : 1;
  }
  process.exit(); // nothing may keep a finished run alive
}
