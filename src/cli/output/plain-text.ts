/** Text from a wire on its way to a terminal: what would command the terminal is made visible instead. */

const CONTROLS = /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu;

/** Line ends and tabs stay; escape sequences, other control characters and overrides of direction do not. */
export function plainText(text: string): string {
  return text.replaceAll(CONTROLS, "\ufffd");
}
