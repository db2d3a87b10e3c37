/** The process that a command is carried out for. Usually it is this one (`ownCaller`); in a resident client it is another. */

export interface Caller {
  /**
   * Before a command does anything. `isShareable` tells whether it needs nothing of a process but what it was started with, and
   * whether an engine of this host listens. A resident client throws OwnProcessNeeded here, or when its caller has left.
   */
  enter(isShareable: () => Promise<boolean>): Promise<void>;
  /** Before what only a process of the caller's own can do: a resident client throws OwnProcessNeeded. Nothing is changed or written yet. */
  ownProcess(why: string): void;
  isTerminal(descriptor: 0 | 1 | 2): Promise<boolean>;
  /** Calls back for signals that would have had their effect on the caller, until the returned function is called. */
  onSignals(signals: readonly NodeJS.Signals[], callback: (signal: NodeJS.Signals) => void): () => void;
  /** Aborted when nobody waits for the command any more; undefined: then this process ends, too. */
  readonly gone: AbortSignal | undefined;
}

/** This process. `onShareable`: a command begins that a resident client could have carried out. */
export function ownCaller(onShareable?: () => void): Caller {
  return {
    async enter(isShareable) {
      if (onShareable !== undefined && (await isShareable())) onShareable();
    },
    ownProcess() {},
    async isTerminal(descriptor) {
      const { isTerminal } = await import("./terminal.ts");
      return isTerminal(descriptor);
    },
    onSignals(signals, callback) {
      for (const signal of signals) process.on(signal, callback);
      return () => {
        for (const signal of signals) process.off(signal, callback);
      };
    },
    gone: undefined,
  };
}
