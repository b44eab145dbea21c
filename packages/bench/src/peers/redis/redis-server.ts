import { freePort } from "@seriatim/rig";
import { ExternalServer } from "../../frame/external-server.ts";
import { find, type Program } from "../../frame/programs.ts";
import type { RunningServer } from "../../frame/row.ts";

export const redisProgram: Program = { name: "redis-server", debianPackage: "redis-server" };

/** @param variant when the append-only file is synced: "always" or "everysec" */
export async function startRedis(folder: string, variant: string): Promise<RunningServer> {
  const port = await freePort();
  const options = { port, dir: folder, bind: "127.0.0.1", appendonly: "yes", appendfsync: variant, save: "" };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return await ExternalServer.listening(port, find(redisProgram) ?? redisProgram.name, args, folder);
}
