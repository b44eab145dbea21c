import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** `up`: from the client to the broker. */
export type Direction = "up" | "down";
const BOTH: readonly Direction[] = ["up", "down"];
/** How a connection ends: a reset, or an orderly end of the stream in the middle of what was said. */
export type CutHow = "reset" | "end";

/** What is done to the bytes of one direction. */
interface Trouble {
  held: boolean;
  /** `null`: as fast as they come. */
  bytesPerSecond: number | null;
  /** The next chunk breaks off inside; told whether it did. */
  breaking: { readonly share: number; readonly how: CutHow; readonly done: () => void } | null;
}

/**
 * A TCP proxy in front of one port, through which the connections
 * of one client go, and that does to them what networks do.
 */
export class FaultyProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #links = new Set<ProxiedLink>();
  readonly #trouble: Readonly<Record<Direction, Trouble>> = { up: noTrouble(), down: noTrouble() };

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    this.#targetPort = targetPort;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (client) => this.#accept(client));
  }
  static async open(options: { readonly targetPort: number }): Promise<FaultyProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    return new FaultyProxy(server, options.targetPort);
  }

  /** Connections that reach the broker and have heard from it. */
  get openLinks(): number {
    return [...this.#links].filter(({ isOpen }) => isOpen).length;
  }
  /** Ends every open connection at once; how many there were. */
  cut(how: CutHow): number {
    const open = [...this.#links].filter(({ isOpen }) => isOpen);
    for (const link of open) link.cut(how);
    return open.length;
  }
  /** Nothing passes any more, and nobody hears of it: connections stay, new ones are accepted and silent. */
  hold(directions: readonly Direction[] = BOTH): void {
    for (const direction of directions) this.#trouble[direction].held = true;
    for (const link of this.#links) link.obey();
  }
  /** What was held goes on; slow is fast again. */
  heal(): void {
    for (const direction of BOTH) {
      this.#trouble[direction].held = false;
      this.#trouble[direction].bytesPerSecond = null;
    }
    for (const link of this.#links) link.obey();
  }
  slow(bytesPerSecond: number): void {
    for (const direction of BOTH) this.#trouble[direction].bytesPerSecond = bytesPerSecond;
  }
  /**
   * The next chunk in this direction breaks off after this share of its bytes,
   * and with it the connection; whether one came by in time.
   */
  async cutMidChunk(direction: Direction, share: number, how: CutHow, patienceMs: number): Promise<boolean> {
    const trouble = this.#trouble[direction];
    let timer: NodeJS.Timeout | undefined;
    const struck = await new Promise<boolean>((resolve) => {
      trouble.breaking = { share, how, done: () => resolve(true) };
      timer = setTimeout(resolve, patienceMs, false);
    });
    clearTimeout(timer);
    trouble.breaking = null;
    return struck;
  }
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const link of this.#links) link.cut("reset");
    await closed;
  }

  #accept(client: Socket): void {
    const broker = connect({ port: this.#targetPort, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const link = new ProxiedLink(client, broker, this.#trouble, () => this.#links.delete(link));
    this.#links.add(link);
    link.obey();
  }
}

const noTrouble = (): Trouble => ({ held: false, bytesPerSecond: null, breaking: null });

/** One connection through the proxy: two sockets, and what goes between them. */
class ProxiedLink {
  readonly #sockets: readonly [client: Socket, broker: Socket];
  readonly #trouble: Readonly<Record<Direction, Trouble>>;
  /** Directions that wait for the receiver, or for time to pass. */
  readonly #waiting: Record<Direction, boolean> = { up: false, down: false };
  readonly #onClosed: () => void;
  #goneWhileHeld: CutHow | null = null;
  #heard = false;
  #over = false;

  constructor(client: Socket, broker: Socket, trouble: Readonly<Record<Direction, Trouble>>, onClosed: () => void) {
    this.#sockets = [client, broker];
    this.#trouble = trouble;
    this.#onClosed = onClosed;
    this.#forward(client, broker, "up");
    this.#forward(broker, client, "down");
  }
  get isOpen(): boolean {
    return this.#heard && !this.#over;
  }
  cut(how: CutHow): void {
    if (this.#over) return;
    this.#end();
    for (const socket of this.#sockets) {
      if (how === "reset") socket.resetAndDestroy();
      else socket.destroySoon();
    }
  }
  /** Reads on, or stops to, as the trouble has it now. */
  obey(): void {
    if (this.#goneWhileHeld !== null && !this.#isHeld) this.cut(this.#goneWhileHeld);
    if (this.#over) return;
    for (const direction of BOTH) {
      const from = this.#from(direction);
      if (this.#trouble[direction].held || this.#waiting[direction]) from.pause();
      else from.resume();
    }
  }

  get #isHeld(): boolean {
    return BOTH.every((direction) => this.#trouble[direction].held);
  }
  /** One side has ended: the other hears of it, though not while everything is held. */
  #gone(how: CutHow): void {
    if (this.#isHeld) this.#goneWhileHeld ??= how;
    else this.cut(how);
  }
  #from(direction: Direction): Socket {
    return this.#sockets[direction === "up" ? 0 : 1];
  }
  #forward(from: Socket, to: Socket, direction: Direction): void {
    from.on("data", (chunk: Buffer) => {
      if (this.#over) return;
      if (direction === "down") this.#heard = true;
      const { breaking, bytesPerSecond } = this.#trouble[direction];
      if (breaking !== null && chunk.length > 1 && this.#heard) this.#break(to, chunk, breaking);
      else if (bytesPerSecond !== null) this.#later(to, chunk, direction, (chunk.length * 1_000) / bytesPerSecond);
      else if (!to.write(chunk)) this.#wait(direction, (resume) => to.once("drain", resume));
    });
    from.on("end", () => to.end());
    from.on("error", () => this.#gone("reset"));
    from.on("close", () => this.#gone("end"));
  }
  #break(to: Socket, chunk: Buffer, breaking: NonNullable<Trouble["breaking"]>): void {
    const length = 1 + Math.floor(breaking.share * (chunk.length - 1));
    for (const socket of this.#sockets) socket.pause();
    to.write(chunk.subarray(0, Math.min(length, chunk.length - 1)), () => {
      this.cut(breaking.how);
      breaking.done();
    });
  }
  #later(to: Socket, chunk: Buffer, direction: Direction, ms: number): void {
    this.#wait(direction, (resume) => {
      setTimeout(() => {
        if (this.#over) return;
        to.write(chunk);
        resume();
      }, ms);
    });
  }
  #wait(direction: Direction, until: (resume: () => void) => void): void {
    this.#waiting[direction] = true;
    this.#from(direction).pause();
    until(() => {
      this.#waiting[direction] = false;
      if (!this.#over) this.obey();
    });
  }
  #end(): void {
    this.#over = true;
    this.#onClosed();
  }
}
