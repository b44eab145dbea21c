import { fileURLToPath } from "node:url";
import { Program } from "@seriatim/rig";

/** The compiled program of a source file beside this one; `npm test` has built it. */
const built = (name: string): string => fileURLToPath(new URL(`../dist/${name}.js`, import.meta.url));
export const source = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
const repository = fileURLToPath(new URL("../../../", import.meta.url));
const deno = `${repository}node_modules/.bin/deno`;

type Env = Readonly<Record<string, string>>;
const program = (command: string, args: readonly string[], env: Env = {}): Program =>
  new Program(command, args, { cwd: repository, env, ownGroup: true });

export const runNode = (name: string, args: readonly string[] = [], env?: Env): Program =>
  program(process.execPath, [built(name), ...args], env);
export const runDeno = (args: readonly string[]): Program => program(deno, args, { DENO_NO_UPDATE_CHECK: "1" });
