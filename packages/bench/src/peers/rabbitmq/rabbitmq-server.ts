import { freePort } from "@seriatim/rig";
import { ExternalServer } from "../../frame/external-server.ts";
import { find, type Program } from "../../frame/programs.ts";
import type { RunningServer } from "../../frame/row.ts";

export const rabbitmqProgram: Program = { name: "rabbitmq-server", debianPackage: "rabbitmq-server" };
const epmdProgram: Program = { name: "epmd", debianPackage: "erlang-base" };

/**
 * A node with everything it writes in the folder, and a port mapper of its own,
 * so that a RabbitMQ of this machine is not touched.
 */
export async function startRabbitmq(folder: string): Promise<RunningServer> {
  const [port, distributionPort, epmdPort] = [await freePort(), await freePort(), await freePort()];
  const epmd = new ExternalServer(
    find(epmdProgram) ?? epmdProgram.name,
    ["-port", String(epmdPort), "-address", "127.0.0.1"],
    folder,
  );
  const name = find(rabbitmqProgram) ?? rabbitmqProgram.name;
  const server = await ExternalServer.listening(port, name, [], folder, {
    HOME: folder,
    ERL_EPMD_PORT: String(epmdPort),
    RABBITMQ_NODENAME: `bench-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: `${folder}/mnesia`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/enabled_plugins`,
    RABBITMQ_PID_FILE: `${folder}/pid`,
  }).catch(async (error: unknown) => {
    await epmd.stop();
    throw error;
  });
  return {
    ...server,
    stop: async () => {
      await server.stop();
      await epmd.stop();
    },
  };
}
