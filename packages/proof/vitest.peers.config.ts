// The tests of the repository on other versions of what users have too:
// `npm run test:deep -- --only peers` runs some of them.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mergeConfig } from "vitest/config";
import base from "../../vitest.config.ts";
import { PEERS_VARIABLE } from "./src/peers/peers.ts";

const folder = process.env[PEERS_VARIABLE];
if (folder === undefined) throw new Error(`${PEERS_VARIABLE} names the folder with the peers`);

export default mergeConfig(base, {
  root: fileURLToPath(new URL("../..", import.meta.url)),
  resolve: {
    alias: ["xstate", "rxjs", "inversify"].map((name) => ({
      find: new RegExp(`^${name}$`),
      replacement: join(folder, "node_modules", name),
    })),
  },
});
