/** Events of images. */
import type { EventSink } from "../containers/announce.ts";
import { emptyMap } from "../../specs/engine/fields.decode.ts";
import { nowNs } from "../containers/timestamp.ts";

/** `labels`: the image's, which Docker tells of those that it still has. */
export function announceImage(
  events: EventSink,
  id: string,
  action: string,
  name: string,
  labels?: Readonly<Record<string, string>> | null,
): void {
  const timeNano = nowNs();
  events.publish({
    status: action,
    id,
    Type: "image",
    Action: action,
    Actor: { ID: id, Attributes: Object.assign(emptyMap<string>(), labels, { name }) },
    scope: "local",
    time: Number(timeNano / 1_000_000_000n),
    timeNano,
  });
}
