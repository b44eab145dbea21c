import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Codec, Transport } from "@seriatim/actors";
import { type Client, createClient } from "@seriatim/actors/client";
import { wsClientTransport } from "@seriatim/transport-ws/client";
import { Attacker } from "./attacker.fixture.ts";
import { counted, Honest, type Outcome } from "./honest.fixture.ts";
import {
  type Access,
  accessOf,
  type HostileBroker,
  type HostileTopic,
  type OpenBroker,
  openBroker,
  type RightLike,
  Surroundings,
} from "./open-broker.ts";
import { OwnProcess } from "./own-process.fixture.ts";

/** How long the answers to heartbeats of a link besides took, beside how long the attack did. */
export interface Beside {
  /** The longest as a share of the whole attack: 1 when nothing was answered before the attack was over. */
  readonly worstShare: number;
  readonly attackMs: number;
  readonly beats: number;
}

/** What a case is tried against. */
export interface HostileSetup {
  /**
   * What principals other than `owner` (everything) and `honest` (its own topic) may do; `{}` is every right.
   * @default []
   */
  readonly may?: readonly RightLike[];
  readonly topics?: readonly HostileTopic[];
  /** @default "memory" */
  readonly store?: "memory" | "lmdb";
  readonly messageBytesMax?: number;
  readonly frameBytesMax?: number;
  /** The broker runs in a process of its own with so much heap, MiB. */
  readonly heapMiB?: number;
  /** Changes who comes in and who may do what, where that is what the case is about. Not with `heapMiB`. */
  readonly access?: (usual: Access) => Access;
}
/** A broker under attack, with an honest client at work. */
export class Target {
  readonly codec: Codec;
  readonly settings: HostileBroker;
  /** What the broker logged, each `level: text`. */
  readonly logged: string[];
  readonly #hostile: HostileSetup;
  readonly #surroundings = new Surroundings();
  readonly #attackers: Attacker[] = [];
  readonly #clients: Client[] = [];
  #own: OwnProcess | null = null;
  #open: OpenBroker | null = null;
  #transport!: Transport;
  #honest!: Honest;
  #restarted = false;

  static async start(hostile: HostileSetup, transport: "memory" | "ws", codec: Codec): Promise<Target> {
    const { topics = [], may = [], store = "memory", messageBytesMax, frameBytesMax } = hostile;
    const limits = {
      ...(messageBytesMax === undefined ? {} : { messageBytesMax }),
      ...(frameBytesMax === undefined ? {} : { frameBytesMax }),
    };
    const folder = store === "lmdb" ? await mkdtemp(join(tmpdir(), "seriatim-hostile-")) : "";
    const target = new Target(hostile, { transport, store, folder, topics, may, ...limits }, codec);
    if (hostile.heapMiB === undefined) await target.#openHere();
    else await target.#openApart(hostile.heapMiB);
    target.#honest = await Honest.start(target.#transport, codec);
    return target;
  }
  private constructor(hostile: HostileSetup, settings: HostileBroker, codec: Codec) {
    this.#hostile = hostile;
    this.settings = settings;
    this.codec = codec;
    this.logged = [];
  }
  async #openHere(port?: number): Promise<void> {
    const access = accessOf(this.settings.may);
    const logger = { log: (level: string, text: string) => void this.logged.push(`${level}: ${text}`) };
    this.#open = await openBroker(
      port === undefined ? this.settings : { ...this.settings, port },
      this.#surroundings,
      logger,
      this.#hostile.access?.(access) ?? access,
    );
    this.#transport =
      this.settings.transport === "ws" ? wsClientTransport({ url: this.#open.broker.address }) : this.#open.transport;
  }
  async #openApart(heapMiB: number): Promise<void> {
    const own = await OwnProcess.start(this.settings, heapMiB, this.logged);
    this.#own = own;
    this.#transport = this.settings.transport === "ws" ? wsClientTransport({ url: own.address }) : own.transport;
  }
  /** A link of this principal that has said nothing yet. */
  async dial(principal = "mallory"): Promise<Attacker> {
    const attacker = await Attacker.dial(this.#transport, this.codec, principal);
    this.#attackers.push(attacker);
    return attacker;
  }
  /** A link of this principal that was welcomed. @param hello what its hello says otherwise */
  async attacker(principal = "mallory", hello: object = {}): Promise<Attacker> {
    const attacker = await this.dial(principal);
    await attacker.hello(hello);
    return attacker;
  }
  /** A real client of this principal, and how many links it has had. */
  async client(
    principal = "mallory",
  ): Promise<{ readonly client: Client; readonly links: { readonly count: number } }> {
    const links = { count: 0 };
    const transport = counted(this.#transport, links);
    const client = await createClient({ transport, codec: this.codec, token: principal });
    this.#clients.push(client);
    return { client, links };
  }
  /** Beats on a link of its own, each once the last is answered, until the attack is over. */
  async beside(attack: () => Promise<unknown>): Promise<Beside> {
    const witness = await this.attacker("honest");
    let isOver = false;
    let worstMs = 0;
    let beats = 0;
    const beating = async (): Promise<void> => {
      while (!isOver) {
        const [sentAt, beat] = [performance.now(), ++beats];
        witness.say({ type: "heartbeat", beat, grantsSeen: 0, leases: [] });
        await witness.until(() => witness.count("heartbeat.answered") >= beat, `the answer to heartbeat ${beat}`);
        worstMs = Math.max(worstMs, performance.now() - sentAt);
        await new Promise<void>((resolve) => void setImmediate(resolve));
      }
    };
    const startedAt = performance.now();
    const attacking = attack().finally(() => {
      isOver = true;
    });
    await Promise.all([attacking, beating()]);
    const attackMs = performance.now() - startedAt;
    witness.link.abort();
    return { worstShare: Math.min(1, worstMs / attackMs), attackMs, beats };
  }
  /** Heap and what is outside it, after collection, bytes. Only of a broker in a process of its own. */
  async memory(): Promise<number> {
    if (this.#own === null) throw new Error("give the case a heapMiB: this broker shares its process with the test");
    return (await this.#own.memory()).heap;
  }
  get isUp(): boolean {
    return this.#own?.isUp ?? true;
  }
  /** The broker ends in order, and another opens its data. Not with a process of its own. */
  async restart(): Promise<void> {
    if (this.#open === null) throw new Error("a broker in a process of its own cannot be started again");
    const { broker } = this.#open;
    const port = this.settings.transport === "ws" ? Number(new URL(broker.address).port) : undefined;
    await broker.close();
    this.#restarted = true;
    await this.#openHere(port);
  }
  /**
   * What became of the honest client's work, but for what a restart explains:
   * other links, and what is handled again, at least once as it is.
   */
  async finish(): Promise<Outcome> {
    if (!this.isUp) throw new Error(`the broker's process has ended:\n${this.#own?.stderr}`);
    const outcome = await this.#honest.finish();
    return this.#restarted ? { ...outcome, links: 1, again: 0 } : outcome;
  }
  async end(): Promise<void> {
    for (const { link } of this.#attackers) link.abort();
    for (const client of this.#clients) await client.close({ timeoutMs: 1_000 });
    await this.#open?.broker.close();
    await this.#own?.end();
    if (this.settings.folder !== "") await rm(this.settings.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
