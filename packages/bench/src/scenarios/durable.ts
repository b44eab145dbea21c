export const NOTHING_KEPT = "no: in memory";
export const SYNCED = "yes: fsync before the ack";
