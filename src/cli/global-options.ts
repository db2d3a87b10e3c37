import type { Invocation } from "./cli.ts";
import { Exit } from "./exit.ts";
import { type Flag, FlagSet } from "./flags.ts";

const LEVELS = ["debug", "info", "warn", "error", "fatal"];

/** The flags that stand before the command. */
export class GlobalOptions {
  readonly flags = new FlagSet({ interspersed: false });
  readonly config: Flag<string>;
  readonly context: Flag<string>;
  readonly debug: Flag<boolean>;
  readonly host: Flag<readonly string[]>;
  readonly logLevel: Flag<string>;
  readonly version: Flag<boolean>;
  readonly help: Flag<boolean>;
  readonly tls: Flag<boolean>;
  readonly tlsverify: Flag<boolean>;
  readonly tlscacert: Flag<string>;
  readonly tlscert: Flag<string>;
  readonly tlskey: Flag<string>;
  /** `-h`, which Docker calls deprecated. */
  readonly oldHelp: Flag<boolean> | undefined;

  constructor(home: string) {
    const { flags } = this;
    this.config = flags.string("config", "", "Location of client config files", {
      shownDefault: JSON.stringify(`${home}/.docker`),
    });
    this.context = flags.string(
      "context",
      "",
      "Name of the context to use to connect to the engine (overrides DOCKER_HOST env var and the default context)",
      { short: "c" },
    );
    this.debug = flags.bool("debug", false, "Enable debug mode", { short: "D" });
    this.host = flags.list("host", "Engine socket to connect to", { short: "H" });
    this.logLevel = flags.string(
      "log-level",
      "info",
      'Set the logging level ("debug", "info", "warn", "error", "fatal")',
      {
        short: "l",
      },
    );
    const pem = (name: string): { readonly shownDefault: string } => ({
      shownDefault: JSON.stringify(`${home}/.docker/${name}`),
    });
    this.tls = flags.bool("tls", false, "Use TLS; implied by --tlsverify");
    this.tlscacert = flags.string("tlscacert", "", "Trust certs signed only by this CA", pem("ca.pem"));
    this.tlscert = flags.string("tlscert", "", "Path to TLS certificate file", pem("cert.pem"));
    this.tlskey = flags.string("tlskey", "", "Path to TLS key file", pem("key.pem"));
    this.tlsverify = flags.bool("tlsverify", false, "Use TLS and verify the remote");
    this.version = flags.bool("version", false, "Print version information and quit", { short: "v" });
    this.help = flags.bool("help", false, "Print usage", { hidden: true });
    this.oldHelp = flags.letter("h");
  }

  /** Sets the flags and returns the words from the command on. */
  parse(words: readonly string[]): string[] {
    const rest = this.flags.parse(words);
    if (!LEVELS.includes(this.logLevel.value))
      throw new Exit(1, `Unable to parse logging level: ${this.logLevel.value}`);
    return rest;
  }

  configDirectory(invocation: Invocation): string {
    if (this.config.value !== "") return this.config.value;
    return invocation.environment.get("DOCKER_CONFIG") || `${invocation.homeDirectory}/.docker`;
  }
}
