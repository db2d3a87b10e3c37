/** Text from a wire on its way to a terminal: what would command the terminal is made visible instead. */

/** Nearly every text; told at a tenth of the price. */
const PLAIN_ASCII = /^[\n\t\x20-\x7e]*$/;
const CONTROLS = /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/gu;

/** Line ends and tabs stay; escape sequences, other control characters and overrides of direction do not. */
export function plainText(text: string): string {
  return PLAIN_ASCII.test(text) ? text : text.replaceAll(CONTROLS, "\ufffd");
}

/**
 * A text that programs may want byte for byte: plain when a terminal would show it. Who asks for a terminal pays
 * milliseconds, so that is done only for texts in which it makes a difference.
 */
export async function untouchedUnlessShown(text: string, isShown: () => Promise<boolean>): Promise<string> {
  const plain = plainText(text);
  return plain !== text && (await isShown()) ? plain : text;
}
