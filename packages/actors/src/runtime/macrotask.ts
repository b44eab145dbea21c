/**
 * Resolves once every microtask that is queued now, or that those queue, has run: one turn of the platform's event
 * loop. What a virtual clock waits for between two of its timers. `setImmediate` where there is one (Node, Deno,
 * Bun), else a message channel.
 */
export const macrotask = (): Promise<void> => new Promise(queueMacrotask);

/** Runs `fn` in a turn of its own. */
export function queueMacrotask(fn: () => void): void {
  const { setImmediate } = globalThis as { readonly setImmediate?: (fn: () => void) => unknown };
  if (setImmediate !== undefined) {
    setImmediate(fn);
    return;
  }
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    fn();
  };
  port2.postMessage(null);
}
