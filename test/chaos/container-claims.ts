/** Sentences about what a verb acts on, each true or not of what is there. Pure. */
import type { ContainerFacts, Facts } from "./container-facts.ts";

export interface Claim {
  readonly says: string;
  readonly holds: (facts: Facts) => boolean;
}

/** What every container that is acted on is called, unless it is renamed. */
export const VICTIM = "victim";

export function victimsIn({ containers }: Pick<Facts, "containers">): readonly ContainerFacts[] {
  return containers.filter(({ isVictim }) => isVictim);
}

function onlyVictim(facts: Facts): ContainerFacts | undefined {
  const [victim, ...others] = victimsIn(facts);
  return others.length === 0 ? victim : undefined;
}

export const gone: Claim = { says: "nothing is there", holds: (facts) => victimsIn(facts).length === 0 };

export function is(status: string, name = VICTIM): Claim {
  const holds = (facts: Facts): boolean => {
    const victim = onlyVictim(facts);
    return victim?.status === status && victim.name === name;
  };
  return { says: `${name} is ${status}`, holds };
}

export function ended(exitCode: number): Claim {
  const holds = (facts: Facts): boolean =>
    is("exited").holds(facts) && onlyVictim(facts)?.exitCode === exitCode;
  return { says: `${VICTIM} has ended with ${exitCode}`, holds };
}

export function limited(mebibytes: number): Claim {
  const holds = (facts: Facts): boolean =>
    is("running").holds(facts) && onlyVictim(facts)?.memory === mebibytes << 20;
  return { says: `${VICTIM} runs with ${mebibytes} MiB`, holds };
}

/** Of several that are removed one after the other, those that are left are whole. */
export const someCreated: Claim = {
  says: "those that are left have never run",
  holds: (facts) => victimsIn(facts).every(({ status }) => status === "created"),
};

export function volume(name: string, isThere: boolean): Claim {
  return {
    says: `volume ${name} is ${isThere ? "there" : "gone"}`,
    holds: ({ volumes }) => volumes.includes(name) === isThere,
  };
}

export function image(name: string): Claim {
  return { says: `image ${name} is there`, holds: ({ images }) => images.includes(name) };
}

export function both(one: Claim, other: Claim): Claim {
  return {
    says: `${one.says}, and ${other.says}`,
    holds: (facts) => one.holds(facts) && other.holds(facts),
  };
}
