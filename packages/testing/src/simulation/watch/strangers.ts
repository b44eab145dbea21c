// Clients that are nobody's process, told from those of honest ones by the names of their links.

/** Reads along, and shows what is another's. */
export const INTRUDER = "intruder";
/** Sends legal frames by the hundred; its name goes on behind this. */
export const BULK = "bulk";
export const isBulk = (process: string): boolean => process.startsWith(BULK);
