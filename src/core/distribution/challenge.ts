/**
 * The WWW-Authenticate header (RFC 9110, 11.6.1). Strict where it matters: a header that does not follow the grammar to its
 * end says nothing at all, so that no two readers can see different challenges in it. Pure.
 */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** Names in lower case; of a repeated one the challenge is void. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_LENGTH = 8192;
const MAX_CHALLENGES = 8;
const MAX_PARAMETERS = 16;

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"(?:[\t !#-[\]-~\u0080-\u00ff]|\\[\t -~\u0080-\u00ff])*"/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const SPACES = /[ \t]*/y;

/** What a 401 asks for, in the server's order. Empty for a header that is missing, malformed or beyond any measure. */
export function parseChallenges(header: string | undefined): readonly Challenge[] {
  if (header === undefined || header.length > MAX_LENGTH) return [];
  const reader = new Reader(header);
  const challenges: Challenge[] = [];
  while (true) {
    while (reader.skip(",")) continue;
    if (reader.isAtEnd()) return challenges;
    const challenge = readChallenge(reader);
    if (challenge === undefined || challenges.push(challenge) > MAX_CHALLENGES) return [];
  }
}

function readChallenge(reader: Reader): Challenge | undefined {
  const scheme = reader.take(TOKEN)?.toLowerCase();
  if (scheme === undefined) return undefined;
  const parameters = new Map<string, string>();
  if (!reader.isAtEnd() && !reader.skip(",") && reader.take(TOKEN68) === undefined) {
    // At least one parameter; a token that no "=" follows is the next challenge's scheme.
    do {
      const start = reader.at;
      const name = reader.take(TOKEN)?.toLowerCase();
      if (name === undefined) return undefined;
      if (!reader.skip("=")) {
        if (parameters.size === 0) return undefined;
        reader.at = start;
        return { scheme, parameters };
      }
      const value = reader.take(QUOTED)?.slice(1, -1).replace(/\\(.)/g, "$1") ?? reader.take(TOKEN);
      if (value === undefined || parameters.has(name) || parameters.size >= MAX_PARAMETERS) return undefined;
      parameters.set(name, value);
    } while (reader.skip(","));
    if (!reader.isAtEnd()) return undefined;
  }
  return { scheme, parameters };
}

class Reader {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
    this.take(SPACES);
  }

  /** What the sticky pattern matches here; white space after it is passed over. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.at = pattern.lastIndex;
    SPACES.lastIndex = this.at;
    this.at += SPACES.exec(this.#text)?.[0].length ?? 0;
    return match[0];
  }

  skip(character: string): boolean {
    if (this.#text[this.at] !== character) return false;
    this.at++;
    SPACES.lastIndex = this.at;
    this.at += SPACES.exec(this.#text)?.[0].length ?? 0;
    return true;
  }

  isAtEnd(): boolean {
    return this.at >= this.#text.length;
  }
}
