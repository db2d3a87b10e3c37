/** Passing on to a container the signals that its client receives. */
import type { EngineClient } from "../../client/engine-client.ts";
import type { Cli } from "../cli.ts";

/**
 * Everything that can be caught, without SIGCHLD, SIGPIPE and SIGURG, which speak of our own affairs, and without the
 * faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL), SIGPROF and SIGPWR, which the runtime uses itself.
 */
const PROXIED = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGWINCH",
  "SIGIO",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGSYS",
  "SIGTRAP",
  "SIGABRT",
] as const;

/** Forwards signals to the container until the returned function is called. */
export function proxySignals(cli: Cli, engine: EngineClient, id: string): () => void {
  const forward = (signal: NodeJS.Signals): void => {
    engine
      .run({ method: "POST", path: `/containers/${id}/kill`, query: { signal: signal.slice("SIG".length) } })
      .catch(() => {
        // Not running yet or any more: the signal has no receiver.
      });
  };
  return cli.invocation.caller.onSignals(PROXIED, forward);
}
