/** What happens to layers, in the words and shapes that Docker's clients show. Pure. */
import type { LayerStep, TransferEvent } from "../../core/images/images.ts";
import { formatDecimalSize } from "../../base/units.ts";
import type { ProgressMessage } from "../../specs/engine/image.ts";

export type Direction = "pull" | "push";

type LayerEvent = Extract<TransferEvent, { readonly kind: "layer" }>;

export function transferMessage({ layer, step }: LayerEvent, direction: Direction): ProgressMessage {
  const id = layer.slice(layer.indexOf(":") + 1).slice(0, 12);
  const status = statusOf(step, direction);
  if (!("current" in step)) return { status, progressDetail: {}, id };
  const { current, total } = step;
  return { status, progressDetail: { current, total }, progress: progressBar(current, total), id };
}

function statusOf(step: LayerStep, direction: Direction): string {
  switch (step.step) {
    case "announced":
      return direction === "pull" ? "Pulling fs layer" : "Preparing";
    case "waiting":
      return "Waiting";
    case "exists":
      return direction === "pull" ? "Already exists" : "Layer already exists";
    case "skipped":
      return "Skipped foreign layer";
    case "verifying":
      return "Verifying Checksum";
    case "downloaded":
      return "Download complete";
    case "downloading":
      return "Downloading";
    case "extracting":
      return "Extracting";
    case "compressing":
      return "Compressing";
    case "pushing":
      return "Pushing";
    case "complete":
      return "Pull complete";
    case "pushed":
      return "Pushed";
    case "mounted":
      return `Mounted from ${step.from.startsWith("library/") ? step.from.slice("library/".length) : step.from}`;
    case "retrying": {
      const seconds = Math.max(1, Math.round(step.waitMs / 1000));
      return `Retrying in ${seconds} second${seconds === 1 ? "" : "s"}`;
    }
  }
}

const BAR_WIDTH = 50;

/** "[====>     ]  1.2MB/3.4MB": for clients that show this and not the numbers. */
export function progressBar(current: number, total: number): string {
  const now = formatDecimalSize(current).padStart(8);
  if (total <= 0 || current > total) return now;
  const filled = Math.min(BAR_WIDTH, Math.trunc((current / total) * BAR_WIDTH));
  return `[${"=".repeat(filled)}>${" ".repeat(BAR_WIDTH - filled)}] ${now}/${formatDecimalSize(total)}`;
}
