import { provide, tokens } from "@seriatim/actors";
import { createMemoryTransport, type MemoryHub, memoryHub } from "./memory-transport.ts";

export interface MemoryTransportOptions {
  /**
   * Systems and clients of this process whose transports have the same name meet. Without a name, only what one
   * `memoryTransport()` value is given to meets. @default private
   */
  readonly name?: string | undefined;
}

/** Only named hubs are known to the whole process: a name is asked for exactly so that modules made apart can meet. */
const named = new Map<string, MemoryHub>();

/** Links inside this process: `createSystem({ modules: [memoryTransport()] })`. */
export function memoryTransport(options: MemoryTransportOptions = {}): ReturnType<typeof provide> {
  const hub = hubOf(options.name);
  return provide(tokens.transport, (get) => createMemoryTransport(get(tokens.runtime), { hub }));
}
function hubOf(name: string | undefined): MemoryHub {
  if (name === undefined) return memoryHub("memory");
  const hub = named.get(name) ?? memoryHub(name);
  named.set(name, hub);
  return hub;
}
