/** Container names: the rule for given ones and the lists that generated ones are drawn from. */
import { randomInt } from "node:crypto";
import { fail } from "../../base/errors.ts";

const RULE = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Removes Docker's leading slash. Throws `invalid_argument` for what is not a name; `shown` is how the message spells it. */
export function checkName(given: string, shown = given): string {
  const name = given.startsWith("/") ? given.slice(1) : given;
  if (!RULE.test(name) || name.length > 255)
    throw fail(
      "invalid_argument",
      `Invalid container name (${shown.slice(0, 300)}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
  return name;
}

/** A free name such as "patient_lovelace"; after six taken ones a digit, then the id's short form. */
export function generateName(id: string, isTaken: (name: string) => boolean): string {
  for (let attempt = 0; attempt < 6; attempt++) {
    const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}${attempt === 0 ? "" : randomInt(10)}`;
    if (!isTaken(name)) return name;
  }
  return id.slice(0, 12);
}

function pick(list: readonly string[]): string {
  return list[randomInt(list.length)] ?? "container";
}

export const ADJECTIVES: readonly string[] = words(`
  able airy alert amber ample apt arctic autumn balmy bold brave breezy brisk bronze busy calm candid careful cheery
  civil clean clear clever cosy crisp curious daring deft dewy diligent eager early earnest easy equal exact fair
  faithful fearless fine firm fleet fluent fond frank free fresh frosty gallant generous gentle gifted glad golden
  graceful grand green handy happy hardy hearty honest humble ideal jolly jovial just keen kind lasting level light
  lively lofty loyal lucid lucky lunar mellow merry mild mindful modest neat nimble noble novel open orderly patient
  placid plucky polite prompt proud pure quick quiet rapid ready robust rosy rustic sage serene sharp silver simple
  sincere sleek smart snug sober solid spry stable steady stellar sturdy subtle sunny sure swift tactful tender thrifty
  tidy tranquil true trusty upbeat valiant vivid warm wise witty zesty`);

export const SURNAMES: readonly string[] = words(`
  abel adams aiken alder allen ampere anning apgar arago archer ashby avogadro babbage bacon baird banks barlow bateson
  beaufort bell bentley bernoulli bessel biot birch bloch bode bond boole bose boyle bragg brahe braille brewster brown
  brunel buffon burnell bush byron cannon cantor carver cauchy cavendish cayley celsius chandler chapman church clark
  clausius cohn compton cooper coulomb crick cuvier dalton darby davy debye delisle descartes dewar diesel dirac doppler
  drake draper dyson eames eckert eddington edgerton ehrlich elion ellis erlang euler evans ewing faraday fermat fisher
  fleming flamsteed forbes foucault fourier franklin fraunhofer fresnel frisch frobenius fuller galton galvani garfield gauss
  geiger germain gibbs gilbert gilbreth goethe golgi gray green gregory guericke haber hadley hahn hale halley hamilton
  hardy harrison harvey heaviside helmholtz henry herschel hertz hess hewish hilbert hill holmes hooke hooker hubble humboldt hutton
  huygens ingen jansky jacquard jenner joule kapitza kelvin kirchhoff klein koch kolmogorov kovacs kummer lagrange laplace
  laue lavoisier lawrence leavitt lebesgue legendre leibniz lenz levy lie liebig linde linnaeus lister lorentz lovell
  lyell mach malus marconi markov marsh maury maxwell mayer mendel mercator messier michelson millikan mitchell mobius
  monge morley morse moseley napier nernst newcomen nightingale noether norton oersted ohm olbers onsager oppel otis otto
  owen pappus parsons pascal pauling peano pearson peirce penrose perkin perrin planck playfair poisson porter prandtl
  priestley proust purcell quetelet raman ramsay rayleigh reaumur regnault reynolds riccati ricci riemann ritter roemer
  rontgen rumford rutherford rydberg sabine savart scheele seebeck siemens smeaton snell soddy somerville stefan steno
  stevin stirling stokes strutt swan sylvester talbot taylor telford tesla thales thomson torricelli townes trevithick tyndall
  urey venn viete volta wallace wallis watt weber wegener wheatstone whewell whitney wiener wren wright young zeeman zuse`);

function words(text: string): readonly string[] {
  return [...new Set(text.trim().split(/\s+/))];
}
