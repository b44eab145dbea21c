import type { Transport } from "../contracts/transport.ts";
import type { Connection } from "./connection.ts";

/** The broker of a queue, as its clients know it: what dials it. */
export type Home = Transport;

/** A client's brokers: one connection for each, made when first needed. */
export class Connections {
  /** Where a topic is looked for, in this order. What is of no topic is the first one's. */
  readonly homes: readonly [Home, ...Home[]];
  readonly #make: (home: Home, number: number) => Connection;
  readonly #made = new Map<Home, Connection>();

  /** `make`: `number` is the place of the broker among `homes`, from 1. */
  constructor(homes: readonly [Home, ...Home[]], make: (home: Home, number: number) => Connection) {
    this.homes = homes;
    this.#make = make;
  }
  linkTo(home: Home): Connection {
    const known = this.#made.get(home);
    if (known !== undefined) return known;
    const connection = this.#make(home, this.homes.indexOf(home) + 1);
    this.#made.set(home, connection);
    connection.ready.catch(() => this.#made.delete(home)); // it has given up: the next one tries anew
    return connection;
  }
  close(): void {
    for (const connection of this.#made.values()) connection.close();
  }
}
