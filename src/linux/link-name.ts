/**
 * Whether the kernel takes a network link of this name (its dev_valid_name): at most 15 bytes, no slash, colon or space.
 * A new name may be a template with one "%d", which the kernel counts up.
 */
export function isLinkName(name: string, kind: "existing" | "new"): boolean {
  if (name === "" || name === "." || name === ".." || Buffer.byteLength(name) > 15) return false;
  if (/[/:\s\0]/.test(name)) return false;
  const percents = name.split("%").length - 1;
  return percents === 0 || (kind === "new" && percents === 1 && name.includes("%d"));
}
