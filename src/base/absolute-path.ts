/** `path` seen from an absolute directory, without `.` and `..`; what `node:path` does, at no start-up cost. */
export function absolutePath(directory: string, path: string): string {
  const parts: string[] = [];
  const full = path.startsWith("/") ? path : `${directory}/${path}`;
  for (const part of full.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
