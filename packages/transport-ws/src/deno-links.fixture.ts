// Run by Deno, from the test beside it:
// runs the compliance kit on Deno's own WebSocket and prints what became of each test, one JSON object a line.
// With a URL as argument, it dials that listener (in Node); without one, it listens itself.
import { type Listener, type ListenOptions, systemRuntime, type Transport } from "@seriatim/actors/client";
import { transportCompliance } from "@seriatim/testing";
import { wsClientTransport } from "./client.ts";
import { listen } from "./server.ts";

const tests: (readonly [title: string, test: () => Promise<void>])[] = [];
const runner = {
  describe: (_title: string, define: () => void) => define(),
  it: (title: string, test: () => Promise<void>) => void tests.push([title, test]),
};

async function open() {
  let listener: Listener | null = null;
  const transport: Transport = {
    async listen(options: ListenOptions) {
      listener = await listen(systemRuntime(), { port: 0 }, options, () => {});
      return listener;
    },
    dial: (options) => wsClientTransport({ url: listener?.address ?? "ws://127.0.0.1:1" }).dial(options),
  };
  return { transport, browserLike: true, async [Symbol.asyncDispose]() {} };
}
transportCompliance("deno", open, runner);

const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const [url] = process.argv.slice(2);
if (url === undefined) {
  for (const [title, test] of tests)
    await test().then(
      () => print({ title, error: null }),
      (error) => print({ title, error: String(error) }),
    );
} else {
  const dial = (token: string) => wsClientTransport({ url }).dial({ signal: new AbortController().signal, token });
  const refused = await dial("wrong").catch((error) => error.code);
  print({ title: "refused", found: refused });
  const link = await dial("s3crët");
  const got: number[] = [];
  link.frames$.subscribe((frame) => {
    got.push(frame.byteLength);
    if (got.length < 200) return;
    print({ title: "echoes", found: got, buffered: link.bufferedBytes });
    link.send(new Uint8Array(5 * 1024 * 1024));
  });
  for (let n = 0; n < 200; n++) link.send(new Uint8Array(n * 100));
  print({ title: "end", found: await link.ended });
}
process.exit(0);
