import { type Client, isMessagingError, type QueueAccount, type SetAsideEntry } from "@seriatim/actors";
import { type HistoryWriter, unitOf } from "@seriatim/rig";
import { sleep, untilConnected } from "./connect.ts";
import { type ChaosBody, chaosTopic, GROUPS, type GroupName, type RoundSettings } from "./settings.ts";

const LISTED = 200;
const EVERY_MS = 1_500;
/** Of what is set aside, redriven each time while faults are about. */
const REDRIVEN_AT_ONCE = 0.3;
/** Stays set aside to the end, so that the account has some. */
const STAYS = 0.2;
/** What a question may meet when there are faults about. */
const EXPECTED: ReadonlySet<string> = new Set([
  "UNAVAILABLE",
  "OUTCOME_UNKNOWN",
  "ENTRY_UNKNOWN",
  "STORE_FAILED",
  "STORE_FULL",
  "CLOSED",
  "OPTION_INVALID",
]);

export interface Progress {
  readonly end: number;
  readonly backlog: number;
  readonly parked: number;
}

/**
 * The person who looks after the system: asks how far it is, and redrives what was set aside, while faults go on.
 * Has a link of its own to the broker.
 */
export class Operator {
  /** `group key` of orders whose answer never came: what the history says of them is not all that happened. */
  readonly unclear = new Set<string>();
  readonly problems: string[] = [];
  redriven = 0;
  readonly #client: Client;
  readonly #settings: RoundSettings;
  readonly #ended = new AbortController();
  #calm = false;
  #working: Promise<void> = Promise.resolve();

  private constructor(client: Client, settings: RoundSettings) {
    this.#client = client;
    this.#settings = settings;
  }
  static async open(
    port: number,
    settings: RoundSettings,
    history: HistoryWriter,
    signal: AbortSignal,
  ): Promise<Operator> {
    return new Operator(await untilConnected({ name: "operator", port, history }, signal), settings);
  }
  work(): void {
    this.#working = this.#work();
  }
  /** From now on all is redriven but what stays. */
  calm(): void {
    this.#calm = true;
  }
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#working;
  }
  async close(): Promise<void> {
    await this.stop();
    await this.#client.close({ timeoutMs: 1_000 });
  }

  /** `null`: the broker does not answer. */
  async accounts(group: GroupName): Promise<readonly QueueAccount[] | null> {
    try {
      return await this.#client.admin.account(chaosTopic(this.#settings), { group });
    } catch (error) {
      this.#expect("account", error);
      return null;
    }
  }
  async progress(): Promise<Progress | null> {
    let [end, backlog, parked] = [0, 0, 0];
    for (const { name } of GROUPS) {
      const accounts = await this.accounts(name);
      if (accounts === null) return null;
      end = accounts.reduce((sum, account) => sum + account.end, 0);
      backlog += accounts.reduce((sum, account) => sum + account.backlog, 0);
      parked += accounts.reduce((sum, account) => sum + account.parked.length + account.deadLettered.length, 0);
    }
    return { end, backlog, parked };
  }
  /** Whether nothing is set aside but what is to stay so. */
  async isSettled(): Promise<boolean> {
    for (const { name } of GROUPS) {
      const entries = await this.#list(name);
      if (entries === null || entries.some((entry) => !this.#stays(name, entry))) return false;
    }
    return true;
  }
  /** For the report of a hang. */
  async describe(): Promise<string> {
    const lines: string[] = [];
    for (const { name } of GROUPS) {
      const found = await this.#client
        .describe(chaosTopic(this.#settings), { group: name })
        .catch((error: unknown) => ({ error: String(error) }));
      lines.push(`${name}: ${JSON.stringify(found)}`);
    }
    return lines.join("\n");
  }

  async #work(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      for (const { name } of GROUPS)
        for (const entry of (await this.#list(name)) ?? []) {
          if (this.#ended.signal.aborted) return;
          const now = this.#calm ? !this.#stays(name, entry) : Math.random() < REDRIVEN_AT_ONCE;
          if (now) await this.#redrive(name, entry);
        }
      await sleep(EVERY_MS);
    }
  }
  #stays(group: GroupName, { message }: SetAsideEntry<ChaosBody>): boolean {
    return unitOf(`stays ${group} ${message.key}`, this.#settings.seed) < STAYS;
  }
  async #list(group: GroupName): Promise<SetAsideEntry<ChaosBody>[] | null> {
    const entries: SetAsideEntry<ChaosBody>[] = [];
    try {
      for await (const entry of this.#aside(group).list({ limit: LISTED })) entries.push(entry);
      return entries;
    } catch (error) {
      this.#expect("list", error);
      return null;
    }
  }
  async #redrive(group: GroupName, { key }: SetAsideEntry<ChaosBody>): Promise<void> {
    if (key === null) return;
    try {
      this.redriven += (await this.#aside(group).redrive(key, { reason: "chaos" })).redriven;
    } catch (error) {
      this.unclear.add(`${group} ${key}`);
      this.#expect("redrive", error);
    }
  }
  #aside(group: GroupName) {
    return this.#client.admin.setAside(chaosTopic(this.#settings), { group });
  }
  #expect(what: string, error: unknown): void {
    if (isMessagingError(error) && EXPECTED.has(error.code)) return;
    this.problems.push(`"${what}" was answered with ${error instanceof Error ? error.message : String(error)}`);
  }
}
