/**
 * What `make` makes, without a stack: for refusals, whose text is told to a peer and which are thrown away then. Most
 * of what a refusal costs is its stack. (`Reflect.set` leaves it as it is where the limit cannot be set.)
 */
export function untraced<E extends Error>(make: () => E): E {
  const limit: unknown = Reflect.get(Error, "stackTraceLimit");
  Reflect.set(Error, "stackTraceLimit", 0);
  try {
    return make();
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit);
  }
}
