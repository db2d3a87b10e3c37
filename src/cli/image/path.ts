/** The path of an image in the API; its name's slashes stay slashes. */
export function imagePath(name: string): string {
  return `/images/${name.split("/").map(encodeURIComponent).join("/")}`;
}

/** The path of what lies under a name at its registry. */
export function distributionPath(name: string): string {
  return `/distribution/${name.split("/").map(encodeURIComponent).join("/")}`;
}
