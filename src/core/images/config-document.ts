/** The part of Docker's image JSON that says how a container of it runs, its keys in Docker's order. */
import type { ContainerConfig } from "../../specs/engine/container.ts";
import { healthConfigDocument } from "../../specs/engine/health.encode.ts";

/** Go writes some fields always and others only when they say something. */
export function configFields(config: Partial<ContainerConfig>): unknown {
  return {
    Hostname: config.Hostname ?? "",
    Domainname: config.Domainname ?? "",
    User: config.User ?? "",
    AttachStdin: config.AttachStdin ?? false,
    AttachStdout: config.AttachStdout ?? false,
    AttachStderr: config.AttachStderr ?? false,
    ExposedPorts: config.ExposedPorts ?? undefined,
    Tty: config.Tty ?? false,
    OpenStdin: config.OpenStdin ?? false,
    StdinOnce: config.StdinOnce ?? false,
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    Healthcheck: config.Healthcheck ? healthConfigDocument(config.Healthcheck) : undefined,
    Image: config.Image ?? "",
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? "",
    Entrypoint: config.Entrypoint ?? null,
    NetworkDisabled: config.NetworkDisabled === true ? true : undefined,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? null,
    StopSignal: config.StopSignal === "" ? undefined : config.StopSignal,
    StopTimeout: config.StopTimeout ?? undefined,
    Shell: config.Shell ?? undefined,
  };
}
