// One process per data folder (rule 7). The lock is a listening socket in the folder: the operating system takes it
// away when the process ends, however it ends, and who may not write to the folder can neither take it nor hold it.
import { randomBytes, randomInt } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MessagingError } from "@seriatim/actors";
import { FILE_MODE } from "./data-folder.ts";
import { type ShortWay, shortWayTo } from "./short-way.ts";

export interface FolderLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/** Claims of others that come and go before it counts as in use. */
const TRIES_MAX = 10;
/** `in-use.sock` is what versions up to 0.1 held. */
const LOCK = /^in-use(-[\da-f]+)?\.sock$/;
/** What a process leaves that dies. */
const LEFT = /^in-use(-[\da-f]+)?\.(sock|new)$/;

/**
 * Locks `folder` (a real path) against other processes, those of other containers that share it included, and
 * against other stores of this one. Whoever wants it listens on a socket of a name of its own in the folder, and
 * then looks whether another one there answers: of two, the later sees the earlier. Two that see each other both
 * withdraw and try again; one that answers for longer has the folder. On Windows a file that nobody else can
 * open. Where a file system of Linux has no sockets, an abstract one, which every user of the machine could take.
 * @throws STORE_IN_USE, STORE_FAILED
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  if (process.platform === "win32") return lockFile(folder);
  const way = shortWayTo(folder);
  try {
    let seen: readonly string[] = [];
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      if (tries > 0) await sleep(randomInt(5, 50));
      const claim = await Claim.make(folder, way);
      if (claim === "unsupported") return await lockAbstract(folder);
      if (claim === undefined) continue;
      let others: readonly string[] = [];
      try {
        others = await claim.others();
        if (others.length === 0) return claim;
      } catch (error) {
        await claim.release();
        throw error;
      }
      await claim.release();
      if (others.some((name) => seen.includes(name))) throw inUse(folder, others);
      seen = others;
    }
    throw inUse(folder, seen);
  } finally {
    way.leave();
  }
}
const inUse = (folder: string, by: readonly string[] = []) =>
  new MessagingError(
    "STORE_IN_USE",
    `the data folder "${folder}" is open in another process, or in another store of this one`,
    { data: { path: folder, by } },
  );
const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/** A socket that listens in the folder. It holds the folder if there are no others. */
class Claim implements FolderLock {
  readonly #folder: string;
  readonly #way: ShortWay;
  readonly #name: string;
  readonly #server: Server;
  private constructor(folder: string, way: ShortWay, name: string, server: Server) {
    this.#folder = folder;
    this.#way = way;
    this.#name = name;
    this.#server = server;
  }
  /**
   * `undefined`: try again, since whoever holds the folder has cleared it away;
   * `unsupported`: the file system has no sockets.
   */
  static async make(folder: string, way: ShortWay): Promise<Claim | "unsupported" | undefined> {
    // Drawn by the system: two processes whose runtimes draw the same must not.
    const made = `in-use-${randomBytes(6).toString("hex")}`;
    const server = await bind(join(way.path, `${made}.new`));
    if (server === "EACCES")
      throw new MessagingError("STORE_FAILED", `the data folder "${folder}" is not writable`, {
        data: { path: folder },
      });
    if (server === undefined) return "unsupported";
    if (server === "EADDRINUSE") return undefined;
    const claim = new Claim(folder, way, `${made}.sock`, server);
    try {
      try {
        chmodSync(join(folder, `${made}.new`), FILE_MODE);
      } catch {
        // a file system without rights, or it is gone, which shows now
      }
      renameSync(join(folder, `${made}.new`), join(folder, claim.#name)); // it is seen from here on, and listens already
    } catch (error) {
      await claim.release();
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
    return claim;
  }
  /** Those that answer. Without any, what processes left that died is removed: no name is ever taken again. */
  async others(): Promise<string[]> {
    const living: string[] = [];
    const names = readdirSync(this.#folder).filter((name) => name !== this.#name);
    for (const name of names) if (LOCK.test(name) && (await this.#isHeld(name))) living.push(name);
    if (living.length === 0)
      for (const name of names) if (LEFT.test(name)) rmSync(join(this.#folder, name), { force: true });
    return living;
  }
  async #isHeld(name: string): Promise<boolean> {
    const path = join(this.#folder, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    // One that another user planted while the folder was open to others locks nobody out.
    const believed = [process.geteuid?.(), 0, statSync(this.#folder).uid];
    if (found?.isSocket() !== true || !believed.includes(found.uid)) return false;
    const error = await answerOf(join(this.#way.path, name));
    if (error === "EACCES")
      throw new MessagingError(
        "STORE_FAILED",
        `"${path}" belongs to another user, so it cannot be seen whether the data folder is in use: if no broker runs there, give the folder and all in it to the user that opens it`,
        { data: { path, owner: found.uid } },
      );
    return error !== "ECONNREFUSED" && error !== "ENOENT";
  }
  async release(): Promise<void> {
    rmSync(join(this.#folder, this.#name), { force: true });
    await closed(this.#server);
  }
}

/** `undefined` once connected, else the error's code. */
const answerOf = (path: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (reason) => resolve(codeOf(reason) ?? "unknown"));
  });

/** A listening server, or `undefined` where this system or file system has no such sockets. */
function bind(address: string): Promise<Server | undefined | "EADDRINUSE" | "EACCES"> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error) => {
      const code = codeOf(error);
      if (code === "EADDRINUSE" || code === "EACCES") resolve(code);
      else if (code === "EOPNOTSUPP" || code === "ENOTSUP" || code === "EPERM" || code === "EINVAL") resolve(undefined);
      else reject(error);
    });
    server.listen({ path: address, exclusive: true }, () => {
      server.on("error", () => {}); // a refused visitor is no business of ours
      server.unref();
      resolve(server);
    });
  });
}
const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

async function lockAbstract(folder: string): Promise<FolderLock> {
  if (process.platform !== "linux") return { release: async () => {} };
  const { dev, ino } = statSync(folder, { bigint: true });
  // Padded to the full length of an address:
  // some runtimes pad it with zeros themselves, and the names must be the same.
  const server = await bind(`\0seriatim-lmdb-${dev}-${ino}`.padEnd(108, "_"));
  if (server === "EADDRINUSE" || server === "EACCES") throw inUse(folder);
  return { release: async () => void (server === undefined || (await closed(server))) };
}

/** libuv's `UV_FS_O_EXLOCK`: shared with nobody while it is open. */
const UNSHARED = 0x10000000;
function lockFile(folder: string): FolderLock {
  let file: number | undefined;
  try {
    file = openSync(join(folder, "in-use.lock"), constants.O_RDWR | constants.O_CREAT | UNSHARED);
  } catch (error) {
    throw codeOf(error) === "EBUSY" ? inUse(folder) : error;
  }
  return {
    release: async () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
