/**
 * What a client says to a list of commands, as text that people read and a comparison splits again:
 *
 *     $ docker start nobody
 *       standard output, two columns in
 *     ! standard error
 *     = exit code, where it is not 0
 */
export interface Step {
  /** A line of shell; unique within its section. */
  readonly command: string;
  /** Lines with their marks. */
  readonly said: readonly string[];
}

export function format(steps: readonly Step[]): string {
  return steps.map(({ command, said }) => `${[`$ ${command}`, ...said].join("\n")}\n`).join("\n");
}

export function parse(text: string): readonly Step[] {
  return text
    .split(/^(?=\$ )/m)
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const [head = "", ...said] = part.trimEnd().split("\n");
      return { command: head.slice(2), said };
    });
}
