import getPort from "get-port";
import { ExternalServer } from "../../frame/external-server.ts";
import { find, type Program } from "../../frame/programs.ts";
import type { RunningServer } from "../../frame/row.ts";

export const rabbitmqProgram: Program = { name: "rabbitmq-server", debianPackage: "rabbitmq-server" };
const epmdProgram: Program = { name: "epmd", debianPackage: "erlang-base" };

/** A node with everything it writes in the folder, and a port mapper of its own, so that a RabbitMQ of this machine is not touched. */
export async function startRabbitmq(folder: string): Promise<RunningServer> {
  const [port, distributionPort, epmdPort] = [
    await getPort({ host: "127.0.0.1" }),
    await getPort({ host: "127.0.0.1" }),
    await getPort({ host: "127.0.0.1" }),
  ];
  const epmd = new ExternalServer(
    find(epmdProgram) ?? epmdProgram.name,
    ["-port", String(epmdPort), "-address", "127.0.0.1"],
    folder,
  );
  const server = new ExternalServer(find(rabbitmqProgram) ?? rabbitmqProgram.name, [], folder, {
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
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await epmd.stop();
  };
  try {
    await server.listens(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: String(port), cpuMs: () => server.cpuMs(), memory: () => server.memory(), stop };
}
