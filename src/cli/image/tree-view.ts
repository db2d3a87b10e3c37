/** `images --tree`: every name with the platforms that its target has, as Docker's client draws it. */
import { formatDecimalSize } from "../../base/units.ts";
import { child, children, type Fields, flag, number, text, textList } from "../../client/fields.ts";
import { plainText } from "../output/plain-text.ts";
import { alignColumns } from "../output/table.ts";
import { shortId } from "../output/text.ts";

const HEADER = ["IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA"];

/** Of images that were listed with their manifests. */
export function treeView(images: readonly Fields[], truncate: boolean): string {
  const idOf = (id: string): string => (truncate ? shortId(id) : id);
  const rows = images.flatMap((image) => rowsOf(image, idOf));
  const lines = [HEADER, ...rows].map((cells) => cells.join("\t"));
  return `Info →   U  In Use\n${alignColumns(lines.join("\n"))}\n`;
}

function rowsOf(image: Fields, idOf: (id: string) => string): string[][] {
  const names = textList(image, "RepoTags").map(plainText);
  const manifests = children(image, "Manifests").filter((manifest) => text(manifest, "Kind") === "image");
  const content = manifests.reduce((sum, manifest) => sum + number(child(manifest, "Size"), "Content"), 0);
  const size = number(image, "Size");
  const total = manifests.reduce((sum, manifest) => sum + number(child(manifest, "Size"), "Total"), 0);
  const head = [
    names.length === 0 ? "<untagged>" : names.join(", "),
    idOf(text(child(image, "Descriptor"), "digest") || text(image, "Id")),
    formatDecimalSize(total > 0 ? total : size),
    content > 0 ? formatDecimalSize(content) : "-",
    number(image, "Containers") > 0 ? "U" : "",
  ];
  if (manifests.length < 2) return [head];
  return [head, ...manifests.map((manifest, i) => platformRow(manifest, i === manifests.length - 1, idOf))];
}

function platformRow(manifest: Fields, isLast: boolean, idOf: (id: string) => string): string[] {
  const data = child(manifest, "ImageData");
  const platform = child(data, "Platform");
  const parts = [text(platform, "os"), text(platform, "architecture"), text(platform, "variant")];
  const name = plainText(parts.filter((part) => part !== "").join("/"));
  const size = child(manifest, "Size");
  const isHere = flag(manifest, "Available");
  return [
    `${isLast ? "└─" : "├─"} ${name}`,
    idOf(text(manifest, "ID")),
    isHere ? formatDecimalSize(number(size, "Total")) : "-",
    isHere ? formatDecimalSize(number(size, "Content")) : "-",
    textList(data, "Containers").length > 0 ? "U" : "",
  ];
}
