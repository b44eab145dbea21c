// Bodies as JSON, for manifests: what JSON does not have is written as an object with one key.

/** @param {unknown} body @returns {unknown} */
export function plain(body) {
  if (typeof body === "bigint") return { $bigint: String(body) };
  if (body instanceof Date) return { $date: body.getTime() };
  if (body instanceof Uint8Array) return { $bytes: Buffer.from(body).toString("base64") };
  if (body instanceof Set) return { $set: [...body].map(plain) };
  if (Array.isArray(body)) return body.map(plain);
  if (typeof body === "object" && body !== null)
    return Object.fromEntries(Object.entries(body).map(([name, value]) => [name, plain(value)]));
  return body;
}
