// One process per data folder (rule 7). The lock is a bound local socket: the operating system takes it away when the process ends, however it ends.
import { closeSync, openSync, renameSync, statSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MessagingError } from "@seriatim/actors";

export interface FolderLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Locks `folder` (a real path) against other processes, and against other stores of this one. On Linux two sockets: an abstract one, named by the folder's
 * device and inode, which is exclusive without any file; and one in the folder, which also excludes processes of other network namespaces (containers
 * that share the folder). On Windows a named pipe; elsewhere the socket in the folder, or in the temporary folder where the path is too long for one.
 * @throws STORE_IN_USE
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const { dev, ino } = statSync(folder, { bigint: true });
  const identity = `seriatim-lmdb-${dev}-${ino}`;
  const held: Held[] = [];
  const release = async () => {
    for (const one of held.splice(0).reverse()) await one.release();
  };
  try {
    if (process.platform === "win32") {
      held.push(await bindOrRefuse(`\\\\.\\pipe\\${identity}`, folder));
      return { release };
    }
    // Padded to the full length of an address: some runtimes pad it with zeros themselves, and the names must be the same.
    if (process.platform === "linux") held.push(await bindOrRefuse(`\0${identity}`.padEnd(108, "_"), folder));
    held.push(await bindFile(folder, identity));
    return { release };
  } catch (error) {
    await release();
    throw error;
  }
}

interface Held {
  release(): Promise<void>;
}
const inUse = (folder: string) =>
  new MessagingError(
    "STORE_IN_USE",
    `the data folder "${folder}" is open in another process, or in another store of this one`,
    { data: { path: folder } },
  );

async function bindOrRefuse(address: string, folder: string): Promise<Held> {
  const server = await bind(address);
  if (server === "EADDRINUSE" || server === "EACCES") throw inUse(folder);
  return holding(server);
}

/** The longest path a socket's address holds on every system, in bytes. */
const ADDRESS_BYTES_MAX = 103;

async function bindFile(folder: string, identity: string): Promise<Held> {
  let path = join(folder, "in-use.sock");
  let directory: number | undefined;
  if (Buffer.byteLength(path) > ADDRESS_BYTES_MAX) {
    if (process.platform === "linux") {
      directory = openSync(folder, "r");
      path = `/proc/self/fd/${directory}/in-use.sock`;
    } else path = join(tmpdir(), `${identity}.sock`);
  }
  const free = () => {
    if (directory !== undefined) closeSync(directory);
  };
  try {
    for (let tries = 0; tries < 5; tries++) {
      const server = await bind(path);
      if (server === "EACCES")
        throw new MessagingError("STORE_FAILED", `the data folder "${folder}" is not writable`, {
          data: { path: folder },
        });
      if (server !== "EADDRINUSE") {
        const one = holding(server);
        return { release: () => one.release().finally(free) };
      }
      const seen = inodeOf(path);
      if (await answers(path)) throw inUse(folder);
      removeStale(path, seen);
    }
    throw inUse(folder);
  } catch (error) {
    free();
    throw error;
  }
}

/** Left behind by a process that died: moved away first, and put back if somebody else bound it meanwhile. */
function removeStale(path: string, seen: bigint | undefined): void {
  const aside = `${path}.${process.pid}`;
  try {
    if (inodeOf(path) !== seen) return;
    renameSync(path, aside);
    if (inodeOf(aside) === seen) unlinkSync(aside);
    else renameSync(aside, path);
  } catch {
    // Somebody else was quicker: the next try shows it.
  }
}
function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** Whether somebody listens there. Asked three times, since a server is bound a moment before it listens. */
async function answers(path: string): Promise<boolean> {
  for (let tries = 0; tries < 3; tries++) {
    if (tries > 0) await sleep(20);
    const error = await new Promise<string | undefined>((resolve) => {
      const socket = connect(path);
      socket.once("connect", () => {
        socket.destroy();
        resolve(undefined);
      });
      socket.once("error", (reason: NodeJS.ErrnoException) => resolve(reason.code ?? "unknown"));
    });
    if (error === "ENOENT") return false;
    if (error !== "ECONNREFUSED") return true;
  }
  return false;
}

/** A listening server, or `undefined` where this system or file system has no such sockets. */
function bind(address: string): Promise<Server | undefined | "EADDRINUSE" | "EACCES"> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(error.code);
      else if (
        error.code === "EOPNOTSUPP" ||
        error.code === "ENOTSUP" ||
        error.code === "EPERM" ||
        error.code === "EINVAL"
      )
        resolve(undefined);
      else reject(error);
    });
    server.listen({ path: address, exclusive: true }, () => {
      server.on("error", () => {}); // a refused visitor is no business of ours
      server.unref();
      resolve(server);
    });
  });
}
function holding(server: Server | undefined): Held {
  return {
    release: () =>
      new Promise((resolve) => {
        if (server === undefined) resolve();
        else server.close(() => resolve());
      }),
  };
}
