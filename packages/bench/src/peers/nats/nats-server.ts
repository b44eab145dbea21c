import getPort from "get-port";
import { ExternalServer } from "../../frame/external-server.ts";
import { find, type Program } from "../../frame/programs.ts";
import type { RunningServer } from "../../frame/row.ts";

export const natsProgram: Program = { name: "nats-server", debianPackage: "nats-server" };

export async function startNats(folder: string): Promise<RunningServer> {
  const port = await getPort({ host: "127.0.0.1" });
  const args = ["-a", "127.0.0.1", "-p", String(port), "-js", "-sd", folder];
  const server = new ExternalServer(find(natsProgram) ?? natsProgram.name, args, folder);
  try {
    await server.listens(port);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    address: String(port),
    cpuMs: () => server.cpuMs(),
    memory: () => server.memory(),
    stop: () => server.stop(),
  };
}
