import { MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";

/**
 * The protocol versions this code speaks, lowest first. A new one is added when frames get fields, or frames are
 * added, that older peers do not know (`since` in `versioned.ts`); an old one goes when no version of Seriatim that
 * is still looked after needs it.
 */
export const PROTOCOL_VERSIONS: readonly number[] = [1, 2];
/** What both sides speak when they are up to date. */
export const NEWEST_VERSION = Math.max(...PROTOCOL_VERSIONS);

/** The highest protocol version that both speak; `null` when there is none. */
export function negotiateVersion(ours: readonly number[], theirs: readonly number[]): number | null {
  const common = ours.filter((version) => theirs.includes(version));
  return common.length === 0 ? null : Math.max(...common);
}

/** What a client is told that shares no version with its broker: what each speaks, and who has to be upgraded. */
export function versionsUnsupported(
  client: { readonly name: string; readonly versions: readonly number[] },
  broker: { readonly name: string; readonly versions: readonly number[] },
): MessagingError<"VERSION_UNSUPPORTED"> {
  const upgrade = Math.max(...client.versions, 0) < Math.max(...broker.versions) ? "client" : "broker";
  return new MessagingError(
    "VERSION_UNSUPPORTED",
    `client ${quoted(client.name)} speaks protocol ${listed(client.versions)}, broker "${broker.name}" ${listed(broker.versions)}: upgrade the ${upgrade}`,
    { data: { client: client.versions, broker: broker.versions, upgrade } },
  );
}
function listed(versions: readonly number[]): string {
  if (versions.length === 0) return "no version";
  const sorted = [...versions].sort((a, b) => a - b);
  return `${sorted.length === 1 ? "version" : "versions"} ${sorted.join(", ")}`;
}
