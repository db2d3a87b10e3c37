/** Images have what their rows promise; layers that are missing are unpacked again. */
import { type CheckDeps, type CheckRequest, type Finding, found, getAgain, progress } from "./finding.ts";

export async function* checkImages(
  { images, snapshots }: CheckDeps,
  request: CheckRequest,
  signal: AbortSignal,
): AsyncGenerator<Finding> {
  // One that was below another is there again by its turn.
  const rebuild = async (chainId: string): Promise<void> => {
    if (!snapshots.hasLayer(chainId)) await images.care.rebuildLayer(chainId, signal);
  };
  const faults = await images.care.faults(signal);
  for (const [index, fault] of faults.entries()) {
    yield progress(index, faults.length);
    const advice = getAgain(images, fault.images);
    const mend = fault.kind === "missing-layer" ? () => rebuild(fault.subject) : undefined;
    yield await found(request, { ...fault, advice: mend === undefined ? advice : "" }, mend);
  }
}

/** What all of it comes to: images that cannot be used until the user gets them again. */
export async function* checkDamagedImages(
  { images }: CheckDeps,
  request: CheckRequest,
): AsyncGenerator<Finding> {
  if (request.repair) await images.care.refresh();
  for (const { id, reason } of images.damaged())
    yield await found(
      request,
      { kind: "damaged-image", subject: id, detail: reason, images: [id], advice: getAgain(images, [id]) },
      undefined,
    );
}
