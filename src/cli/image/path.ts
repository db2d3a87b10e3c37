/** The path of an image in the API; its name's slashes stay slashes. */
export function imagePath(name: string): string {
  return `/images/${name.split("/").map(encodeURIComponent).join("/")}`;
}
