// What earlier versions left behind (test/kept): their data folders, what must be found in them, and their clients.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  type AsideListed,
  type Encoding,
  type QueueAccount,
  type Runtime,
  systemRuntime,
  type TopicSpec,
  topic,
  typed,
} from "@seriatim/actors";
import { inRepository } from "./program.fixture.ts";

export interface KeptMessage {
  readonly topic: string;
  readonly queue: number;
  readonly offset: number;
  readonly key: string | null;
  readonly id: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** As `plain` writes bodies. */
  readonly body: unknown;
}
export interface KeptGroup {
  readonly topic: string;
  readonly group: string;
  readonly exhausted: "park" | "dead-letter" | "halt";
  readonly attempts: number;
  readonly concurrency: number;
  /** Null where there are no leases. */
  readonly leaseTtlMs: number | null;
  readonly accounts: readonly QueueAccount[];
  readonly aside: readonly (Pick<AsideListed, "kind" | "entry" | "key" | "behind" | "queue" | "offset" | "attempts"> & {
    readonly body: unknown;
  })[];
}
/** What `scripts/keep-version/write-folder.mjs` wrote down. */
export interface KeptManifest {
  readonly version: string;
  readonly writtenAtMs: number;
  readonly topics: readonly (TopicSpec & {
    readonly encoding: Encoding;
    readonly keying: "given" | "none";
    readonly producers: readonly string[];
  })[];
  readonly groups: readonly KeptGroup[];
  /** Failed attempts of messages that wait to be tried again. */
  readonly tried: readonly {
    readonly topic: string;
    readonly group: string;
    readonly queue: number;
    readonly offset: number;
    readonly attempts: number;
  }[];
  readonly producer: {
    readonly instance: string;
    readonly link: number;
    readonly ordinal: number;
    readonly lanes: readonly {
      readonly topic: string;
      readonly queue: number;
      readonly producer: string;
      readonly epoch: number;
      /** Sequence number of the message it would have sent next. */
      readonly next: number;
    }[];
  };
  readonly messages: readonly KeptMessage[];
}

const root = inRepository("test/kept");
export const keptVersions = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
export const keptManifest = (version: string): KeptManifest =>
  JSON.parse(readFileSync(join(root, version, "manifest.json"), "utf8")) as KeptManifest;
export const keptClient = (version: string): string => join(root, version, "client.mjs");

const folders: string[] = [];
/** The version's data folder, as its process left it. */
export function keptFolder(version: string): string {
  const folder = emptyFolder();
  for (const name of readdirSync(join(root, version)))
    if (name.endsWith(".gz"))
      writeFileSync(join(folder, name.slice(0, -3)), gunzipSync(readFileSync(join(root, version, name))));
  return folder;
}
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "seriatim-kept-"));
  folders.push(folder);
  return folder;
}
export function removeKeptFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** The platform's, but for the date: a second after the folder was written, so that nothing in it has grown too old since. */
export function keptRuntime({ writtenAtMs }: KeptManifest): Runtime {
  const runtime = systemRuntime();
  const began = runtime.wallNow();
  return { ...runtime, wallNow: () => writtenAtMs + 1_000 + runtime.wallNow() - began };
}

/** The topic as its users declare it. */
export function keptTopic(manifest: KeptManifest, name: string) {
  const found = manifest.topics.find((topic) => topic.name === name);
  if (found === undefined) throw new Error(`there is no topic "${name}"`);
  const { queues, ordered, retention, groups, idWindowMs, encoding, keying } = found;
  const key = keying === "given" ? "send" : null;
  // biome-ignore lint/suspicious/noExplicitAny: the kept topics' bodies are of all kinds
  return topic(name, { schema: typed<any>(), key, queues, ordered, retention, groups, idWindowMs, encoding });
}
/** Offsets of one queue that the group has not done and will be given in order: neither settled nor set aside. */
export function backlogOf(account: QueueAccount): number[] {
  const { cursor, end, settledRanges, deadLettered, parked, discarded } = account;
  const aside = new Set([...deadLettered, ...parked, ...discarded] as number[]);
  const offsets = Array.from({ length: end - cursor }, (_, n) => cursor + n);
  return offsets.filter(
    (offset) => !aside.has(offset) && !settledRanges.some(([from, to]) => offset >= from && offset < to),
  );
}
