import { MessagingError } from "../message/errors.ts";

/**
 * The principal that something belongs to. Null: nobody's, or everybody's, as all was before principals were stored,
 * and is where no authenticator tells them apart.
 */
export type Owner = string | null;
/** Whether a principal may have it: it is its own, or nobody's. */
export const mayHave = (by: Owner, of: Owner): boolean => of === null || by === null || of === by;

/** Two principals that show the same instance are two clients. */
export const instanceKey = (instance: string, of: Owner): string =>
  of === null ? `:${instance}` : `${of.length}:${of}${instance}`;

/** A name is another principal's: who that is, is nobody else's business. */
export const nameOfAnother = (what: string, name: string, by: Owner, freed: string): MessagingError<"NAME_IN_USE"> =>
  new MessagingError(
    "NAME_IN_USE",
    `${what} belongs to another principal than "${by}", which asks for it: use a name of your own. It is free ${freed}, or once it is released (\`admin.releaseName\`)`,
    { data: { name, principal: by } },
  );
