import {
  type DialOptions,
  type IncomingLink,
  isMessagingError,
  type Link,
  type Listener,
  type ListenOptions,
  systemRuntime,
  type Transport,
} from "@seriatim/actors";

/**
 * A transport whose `dial` reaches its own `listen`, new and with nothing open. Disposing it ends whatever a test left
 * behind.
 */
export interface TransportFixture extends AsyncDisposable {
  readonly transport: Transport;
  /**
   * How many sockets, servers or the like are open on behalf of this fixture; asked when all should be gone. Leave it
   * out where there are none to count.
   */
  openHandles?(): number;
  /**
   * The dialling side is a browser's WebSocket or the like: it reads whether or not anybody subscribes, and its `abort`
   * is a polite close. @default false
   */
  readonly browserLike?: boolean;
}

/** How a part of the kit defines its tests. */
export interface TransportTests {
  readonly promise: (title: string, run: (bench: Bench) => Promise<void>) => void;
  /** Once with the dialling side as the sender, once with the listening side. */
  readonly eitherWay: (
    title: string,
    run: (sender: Link, receiver: Link, bench: Bench, from: "dialling" | "listening") => Promise<void>,
  ) => void;
}

/** Largest frame of these tests, in bytes. */
export const FRAME_BYTES_MAX = 1024 * 1024;
/** Time anything may take here, in ms. */
const PATIENCE_MS = 120_000;

/** One test's listener and links. */
export class Bench {
  readonly fixture: TransportFixture;
  /** Tokens the default authenticator was asked about. */
  readonly asked: (string | null)[] = [];
  readonly accepted: IncomingLink[] = [];
  #listener: Listener | null = null;
  readonly #links: Link[] = [];
  constructor(fixture: TransportFixture) {
    this.fixture = fixture;
  }
  /** The listener; opens it at the first call. */
  async listen(options: Partial<ListenOptions> = {}, { subscribe = true } = {}): Promise<Listener> {
    if (this.#listener !== null) return this.#listener;
    const { transport } = this.fixture;
    if (transport.listen === undefined) throw new Error("the fixture's transport must listen");
    const authenticate: ListenOptions["authenticate"] = async (token) => {
      this.asked.push(token);
      return { id: `principal of ${token}` };
    };
    const listener = await within(
      transport.listen({ authenticate, frameBytesMax: FRAME_BYTES_MAX, ...options }),
      "listen",
    );
    this.#listener = listener;
    if (typeof listener.address !== "string" || listener.address === "")
      throw new Error("a listener must say where it listens");
    if (subscribe) void this.subscribe(listener);
    return listener;
  }
  subscribe(listener: Listener): Promise<void> {
    return new Promise((resolve, reject) => {
      listener.links$.subscribe({ next: (link) => this.accepted.push(link), complete: resolve, error: reject });
    });
  }
  forgetListener(): void {
    this.#listener = null;
  }
  async dial(options: Partial<DialOptions> = {}): Promise<Link> {
    const { signal } = new AbortController();
    const link = await this.fixture.transport.dial({ signal, token: null, frameBytesMax: FRAME_BYTES_MAX, ...options });
    this.#links.push(link);
    return link;
  }
  async pair(options: Partial<DialOptions> = {}): Promise<[dialled: Link, accepted: IncomingLink]> {
    await this.listen();
    const before = this.accepted.length;
    const dialled = await within(this.dial(options), "dial");
    await until(() => this.accepted.length > before, "the link at the listening side");
    return [dialled, this.accepted.at(-1) as IncomingLink];
  }
  async end(): Promise<void> {
    for (const link of [...this.#links, ...this.accepted]) link.abort();
    await this.#listener?.[Symbol.asyncDispose]();
  }
}

/** What a link emits from now on. */
export function collect(
  link: Link,
  then: (bytes: Uint8Array) => void = () => {},
): { readonly frames: Uint8Array[]; readonly completed: Promise<void> } {
  const frames: Uint8Array[] = [];
  const completed = new Promise<void>((resolve, reject) => {
    link.frames$.subscribe({
      next: (bytes) => {
        frames.push(bytes);
        then(bytes);
      },
      complete: resolve,
      error: reject,
    });
  });
  return { frames, completed };
}

/**
 * Sends until the link holds 512 KiB or more, of a peer that nobody reads. What an operating system takes at once is
 * not buffered: go on until it takes no more.
 */
export async function fill(sender: Link): Promise<Uint8Array[]> {
  const sent: Uint8Array[] = [];
  do {
    while (sender.bufferedBytes < 512 * 1024) {
      if (sent.length === 160) throw new Error("nobody reads, and nothing of 40 MiB stays buffered");
      const bytes = frame(sent.length, 256 * 1024);
      sent.push(bytes);
      sender.send(bytes.slice());
      await sleep(0);
    }
    await sleep(50);
  } while (sender.bufferedBytes < 512 * 1024);
  return sent;
}

export const count = (n: number): number[] => Array.from({ length: n }, (_, at) => at);
/** `size` bytes that no other `n` has. */
export function frame(n: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (n >>> ((at & 3) * 8)) ^ (at >>> 2);
  return bytes;
}

/** All that an error says, with what is behind it. */
export function textsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error} ${JSON.stringify(error)} ${error.cause === undefined ? "" : textsOf(error.cause)}`;
}
export function same(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, found ${a}`);
}
export function sameFrames(found: readonly Uint8Array[], expected: readonly Uint8Array[]): void {
  same(found.length, expected.length, "number of frames");
  for (const [n, bytes] of expected.entries()) {
    const other = found[n] as Uint8Array;
    if (other.byteLength !== bytes.byteLength || bytes.some((byte, at) => byte !== other[at]))
      throw new Error(`frame ${n} of ${bytes.byteLength} bytes arrived as another one of ${other.byteLength} bytes`);
  }
}
export async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await within(outcome(promise), `the rejection with ${code}`);
  if (!isMessagingError(error) || error.code !== code)
    throw new Error(`expected a rejection with ${code}, found ${error}`, { cause: error });
}
export async function rejectsWith(promise: Promise<unknown>, reason: unknown): Promise<void> {
  const error = await within(outcome(promise), "the rejection");
  if (error !== reason) throw new Error(`expected a rejection with ${reason}, found ${error}`, { cause: error });
}
export const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no rejection",
    (error: unknown) => error,
  );

const { setTimeout, clearTimeout, now } = systemRuntime();
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = now() + PATIENCE_MS;
  while (!condition()) {
    if (now() > deadline) throw new Error(`waited ${PATIENCE_MS} ms for ${what}`);
    await sleep(1);
  }
}
export async function within<T>(promise: PromiseLike<T> | undefined, what: string): Promise<T> {
  let timer: unknown;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${PATIENCE_MS} ms for ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise as PromiseLike<T>, late]);
  } finally {
    clearTimeout(timer);
  }
}
