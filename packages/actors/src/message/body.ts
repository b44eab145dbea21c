import type { StandardSchemaV1 } from "@standard-schema/spec";
import { Packr } from "msgpackr";
import { MessagingError, SchemaError } from "./errors.ts";
import { msgpackFault } from "./msgpack-shape.ts";
import { clipped } from "./text.ts";
import type { Encoding } from "./topic.ts";

// No shared records: each body stands for itself, whoever reads it and whatever came before it.
const packr = new Packr({
  useRecords: false,
  useBigIntExtension: true,
  moreTypes: true,
  variableMapSize: true,
  mapsAsObjects: true,
});
const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });

/**
 * A body as bytes. `msgpack` keeps `Date`, `bigint`, `Uint8Array`, `Set` and `undefined`; `json` what JSON keeps;
 * `bytes` takes a `Uint8Array` and copies nothing.
 * @throws `SCHEMA_FAILED` for a body that cannot be written down (a cycle, a symbol, a bigint as JSON, anything but
 * bytes as `bytes`).
 */
export function encodeBody(encoding: Encoding, body: unknown): Uint8Array {
  try {
    if (encoding === "msgpack") return packr.pack(body);
    if (encoding === "bytes") {
      if (body instanceof Uint8Array) return body;
      throw new TypeError(`expected a Uint8Array, found ${typeof body}`);
    }
    const json = JSON.stringify(body) as string | undefined;
    if (json === undefined) throw new TypeError(`a ${typeof body} has no JSON`);
    return utf8.encode(json);
  } catch (cause) {
    throw unreadable("encoded as", encoding, cause);
  }
}

/**
 * The body that these bytes are, whoever wrote them: it throws nothing
 * but `SCHEMA_FAILED`, and no name in them reaches a prototype.
 */
export function decodeBody(encoding: Encoding, bytes: Uint8Array): unknown {
  try {
    if (encoding === "bytes") return bytes;
    if (encoding === "json") {
      const json = text.decode(bytes);
      return SUSPICIOUS.test(json) ? JSON.parse(json, dropPrototype) : JSON.parse(json);
    }
    const fault = msgpackFault(bytes);
    if (fault !== null) throw new TypeError(`found ${fault}`);
    return packr.unpack(bytes); // renames `__proto__`
  } catch (cause) {
    throw unreadable("decoded from", encoding, cause);
  }
}
/** May name `__proto__`, plainly or escaped. */
const SUSPICIOUS = /__proto__|\\u00/;
function dropPrototype(this: unknown, name: string, value: unknown): unknown {
  return name === "__proto__" ? undefined : value;
}
const unreadable = (how: string, encoding: Encoding, cause: unknown): SchemaError => {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SchemaError(`the body cannot be ${how} ${encoding}: ${why}`, [{ message: why }], { cause });
};

/**
 * What the topic's schema makes of a body.
 * @throws `SCHEMA_FAILED`, or `SCHEMA_ASYNC`: calls keep their order without `await`, so a schema must answer at once.
 */
export function validate<Out>(
  topic: { readonly name: string; readonly schema: StandardSchemaV1<unknown, Out> },
  body: unknown,
): Out {
  let result: StandardSchemaV1.Result<Out> | Promise<StandardSchemaV1.Result<Out>>;
  try {
    result = topic.schema["~standard"].validate(body);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SchemaError(`the schema of topic "${topic.name}" threw: ${why}`, [{ message: why }], { cause });
  }
  if ("then" in result) {
    void result.then(ignore, ignore);
    throw new MessagingError(
      "SCHEMA_ASYNC",
      `the schema of topic "${topic.name}" answers with a promise; expected a synchronous schema`,
      {
        data: { topic: topic.name },
      },
    );
  }
  if (result.issues === undefined) return result.value;
  const first = result.issues[0];
  const where =
    first?.path === undefined || first.path.length === 0
      ? ""
      : ` at ${clipped(first.path.map((step) => String(typeof step === "object" ? step.key : step)).join("."))}`;
  throw new SchemaError(
    `topic "${topic.name}" refuses the body: ${first?.message ?? "no reason given"}${where}`,
    result.issues,
  );
}
const ignore = (): void => {};
