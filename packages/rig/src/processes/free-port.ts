import { randomInt } from "node:crypto";
import getPort from "get-port";

/** Below what systems give to outgoing connections (Linux from 32768 on, others from 49152 on). */
const PORT_MIN = 15_000;
const PORT_MAX = 30_000;
const CANDIDATES = 50;

/**
 * A port of this machine that nothing listens on, for a server that may be restarted on it. Not one that the system
 * would give to an outgoing connection: while the server is down, a client that tries to reach it could get the very
 * port as its own, and talk to itself.
 */
export const freePort = (): Promise<number> =>
  getPort({ host: "127.0.0.1", port: Array.from({ length: CANDIDATES }, () => randomInt(PORT_MIN, PORT_MAX)) });
