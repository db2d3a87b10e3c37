/** How image documents differ between API versions. */
import { configDocument } from "../../engine/containers/documents.ts";
import type { DiskUsage } from "../../engine/system/disk-usage.ts";
import { healthConfigDocument } from "../../specs/engine/health.encode.ts";
import type { ImageInspect, ImageSummary } from "../../specs/engine/image.ts";

/** Before 1.43 an image without a name had the name "<none>"; before 1.51 its containers were not counted. */
export function imageSummaryFor(minor: number, image: ImageSummary): ImageSummary {
  const { Descriptor, ...summary } = image;
  const { RepoTags, RepoDigests } = summary;
  return {
    ...summary,
    ...(minor < 48 || Descriptor === undefined ? {} : { Descriptor }),
    Containers: minor >= 51 ? summary.Containers : -1,
    RepoTags: minor < 43 && RepoTags.length === 0 ? ["<none>:<none>"] : RepoTags,
    RepoDigests: minor < 43 && RepoDigests.length === 0 ? ["<none>@<none>"] : RepoDigests,
    ...(minor < 44 ? { VirtualSize: summary.Size } : {}),
  };
}

/** Since 1.50 an image's configuration has only what an image can say. */
export function imageInspectFor(minor: number, inspected: ImageInspect): Readonly<Record<string, unknown>> {
  const { Descriptor, ...rest } = inspected;
  const image = { ...rest, ...(minor < 48 || Descriptor === undefined ? {} : { Descriptor }) };
  const virtual = minor < 44 ? { VirtualSize: image.Size } : {};
  if (image.Config === null) return { ...image, ...virtual };
  if (minor < 50) return { ...image, ...virtual, Config: configDocument(image.Config) };
  const { User, ExposedPorts, Env, Cmd, Healthcheck, Volumes, WorkingDir } = image.Config;
  const { Entrypoint, OnBuild, Labels, StopSignal, Shell } = image.Config;
  return {
    ...image,
    Config: {
      User,
      ...(ExposedPorts === null ? {} : { ExposedPorts }),
      Env,
      Cmd,
      ...(Healthcheck === null ? {} : { Healthcheck: healthConfigDocument(Healthcheck) }),
      Volumes,
      WorkingDir,
      Entrypoint,
      OnBuild,
      Labels,
      ...(StopSignal === "" ? {} : { StopSignal }),
      ...(Shell === null ? {} : { Shell }),
    },
  };
}

/** Disk usage counts the containers of images in every version, and says null for an image's missing names. */
export function diskUsageFor(minor: number, usage: DiskUsage): Readonly<Record<string, unknown>> {
  const images = usage.Images?.map((image) => ({
    ...imageSummaryFor(minor, image),
    Containers: image.Containers,
    RepoTags: image.RepoTags.length === 0 ? null : image.RepoTags,
    RepoDigests: image.RepoDigests.length === 0 ? null : image.RepoDigests,
  }));
  return { ...usage, Images: images ?? null, ...(minor < 42 ? { BuilderSize: 0 } : {}) };
}
