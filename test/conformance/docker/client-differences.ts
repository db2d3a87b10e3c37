/** Where our own client says otherwise than the stock one did, besides what the engine does (`differences.ts`), and why. */
import type { Difference } from "./difference.ts";

export const CLIENT_DIFFERENCES: readonly Difference[] = [
  {
    command: /^docker [a-z ]+/,
    lines: /(requires (at least |at most |exactly )?\d arguments?|accepts no arguments)$/,
    reason: "names the command as its user does",
  },
  {
    command: /^docker (run --rm -d -a stdout|run --name cf-x --rm --restart)/,
    lines: /onflicting options/,
    reason: "words of its own",
  },
  {
    command: /^printf .*--env-file bad-env/,
    reason: "words of its own",
  },
  {
    command: /^docker create -p /,
    lines: /nvalid (containerPort|hostPort|proto|ip address|ranges)/i,
    reason: "words of its own",
  },
  {
    command: /^docker create -v a:b:c:d/,
    reason: "the client refuses what has too many parts before it asks the daemon",
  },
  {
    command: /^docker create --platform nonsense/,
    reason: "the daemon says what no platform is",
  },
  {
    command: /^docker run --detach-keys nonsense/,
    reason: "the daemon's words are shown, and the exit code is that of all that is refused by `run`",
  },
  {
    command: /^docker run -d --rm -v \/etc\/hostname:\/data/,
    lines: /^ {2}<id>$/,
    reason: "where the container does not start its id is not said",
  },
  {
    command: /\{\{json \.HostConfig\.Mounts\}\}/,
    reason: "the client sends no empty options of volumes",
  },
  {
    command: /\{\{json \.NetworkSettings\.Networks\}\}/,
    reason:
      "shown is what the daemon says in that version of the API, without fields that the client knows besides",
  },
  {
    command: /\{\{\.PidsLimit\}\}/,
    reason: "null in a template is <nil>, whichever way the document is read",
  },
  {
    command: /^docker inspect -s -f/,
    reason: "numbers are compared whatever their type",
  },
  {
    command: /^docker inspect --type nonsense/,
    reason: "without kinds of objects that there are not",
  },
  {
    command: /^docker ps .*--format json$/,
    reason: "fields of Docker's newest client: the state of health, and no platform where there is none",
  },
  {
    command: /^docker cp -a cf-c:/,
    reason: "-a keeps user and group, as it says; Docker's client keeps them on the way in alone",
  },
  {
    command: /^docker (export|save) -o \/no\/such\/place/,
    reason: "says what was wrong with the path",
  },
  {
    command: /^docker commit cf-c 'Bad Name'/,
    reason: "a space is wrong before the capitals are",
  },
  {
    command: /--format '\{\{\.NoSuch\}\}'/,
    reason: "one wording for all templates; documents without types have keys, not fields",
  },
  {
    command: /^docker volume update/,
    reason: "there are no volumes of clusters to update, so no command",
  },
  {
    command: /^docker network create --subnet nonsense/,
    reason: "the client refuses what is no subnet before it asks the daemon",
  },
  {
    command: /^docker network rm /,
    lines: /^! exit status 1$/,
    reason: "without a line that says nothing",
  },
  {
    command: /^docker info --format json/,
    reason: "the daemon's document itself, without what the client knows besides",
  },
  {
    command: /^docker (system )?nonsense$/,
    reason: "words of its own",
  },
  {
    command: /^docker -H unix:/,
    reason: "names its own daemon",
  },
  {
    command: /^docker builder prune/,
    reason: "nothing is built yet, so no command",
  },
];
