import { freePort } from "@seriatim/rig";
import { ExternalServer } from "../../frame/external-server.ts";
import { find, type Program } from "../../frame/programs.ts";
import type { RunningServer } from "../../frame/row.ts";

export const natsProgram: Program = { name: "nats-server", debianPackage: "nats-server" };

export async function startNats(folder: string): Promise<RunningServer> {
  const port = await freePort();
  const args = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder];
  return await ExternalServer.listening(port, find(natsProgram) ?? natsProgram.name, args, folder);
}
