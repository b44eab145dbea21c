import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { atExit } from "@seriatim/rig";

const SIZE_BYTES = 160 * 2 ** 20;
const CHUNK = Buffer.alloc(2 ** 20);

/** The disk of the broker's data, which others may fill. */
export class DataDisk {
  readonly dataPath: string;
  readonly #folder: string;
  readonly #mounted: boolean;
  #release = (): void => {};

  private constructor(folder: string, mounted: boolean) {
    this.#folder = folder;
    this.#mounted = mounted;
    this.dataPath = join(folder, "data");
    mkdirSync(this.dataPath, { recursive: true });
    if (mounted) this.#release = atExit(this.unmount);
  }
  /** `small`: a file system of its own, where that is allowed; else a folder like any other. */
  static open(folder: string, small: boolean): DataDisk {
    mkdirSync(folder, { recursive: true });
    return new DataDisk(folder, small && mount(folder));
  }
  /** Whether small file systems can be mounted here: tried once. */
  static canMount(folder: string): boolean {
    mkdirSync(folder, { recursive: true });
    const can = mount(folder);
    if (can) spawnSync("umount", [folder]);
    rmSync(folder, { recursive: true, force: true });
    return can;
  }
  get canFill(): boolean {
    return this.#mounted;
  }
  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#folder);
    return bavail * bsize;
  }
  /** Leaves this many bytes free, for as long as nobody frees or takes any. */
  fill(leaveBytes: number): void {
    const file = openSync(this.#filler, "w");
    try {
      for (let left = Math.floor(this.freeBytes - leaveBytes); left > 0; left -= CHUNK.length)
        writeSync(file, CHUNK, 0, Math.min(left, CHUNK.length));
    } finally {
      closeSync(file);
    }
  }
  free(): void {
    rmSync(this.#filler, { force: true });
  }
  /** Copies the data to where it stays, for a round that failed. */
  keep(): void {
    if (!this.#mounted) return;
    spawnSync("cp", ["-a", "--sparse=always", this.dataPath, `${this.#folder}-kept`]);
  }
  readonly unmount = (): void => {
    if (!this.#mounted || !existsSync(this.#folder)) return;
    if (spawnSync("umount", [this.#folder]).status !== 0) spawnSync("umount", ["-l", this.#folder]);
  };
  close(): void {
    this.unmount();
    this.#release();
  }
  get #filler(): string {
    return join(this.#folder, "filler");
  }
}

function mount(folder: string): boolean {
  if (process.platform !== "linux") return false;
  const options = `size=${SIZE_BYTES},mode=700`;
  return spawnSync("mount", ["-t", "tmpfs", "-o", options, "seriatim-chaos", folder], { stdio: "ignore" }).status === 0;
}
