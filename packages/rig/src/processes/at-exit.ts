const undos = new Set<() => void>();

/**
 * Runs `undo` when this process exits, however that comes; what is given to it takes no time.
 * The newest go first: a process that works in a folder has ended before the folder is removed.
 * @returns lets go of it: there is nothing left to undo
 */
export function atExit(undo: () => void): () => void {
  if (undos.size === 0) process.on("exit", undoAll);
  undos.add(undo);
  return () => {
    if (undos.delete(undo) && undos.size === 0) process.off("exit", undoAll);
  };
}
function undoAll(): void {
  for (const undo of [...undos].toReversed()) undo();
}
