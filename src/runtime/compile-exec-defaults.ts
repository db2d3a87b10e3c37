import type { Process } from "../specs/oci-runtime/spec.ts";

/**
 * A joining process, with what it leaves open taken from the container's first one, as runc does: rights, labels, limits,
 * scheduling, and where it works. Neither its user and groups nor its environment: those are its own.
 */
export function withContainerDefaults(process: Process, first: Process | undefined): Process {
  if (first === undefined) return process;
  const umask = process.user.umask ?? first.user.umask;
  return {
    ...defaults(first),
    ...process,
    ...textDefaults(process, first),
    ...((process.rlimits ?? []).length === 0 && first.rlimits !== undefined
      ? { rlimits: first.rlimits }
      : {}),
    ...(umask === undefined ? {} : { user: { ...process.user, umask } }),
  };
}

/** Absent is open. */
function defaults(first: Process): Partial<Process> {
  const { capabilities, noNewPrivileges, oomScoreAdj, scheduler, ioPriority, execCPUAffinity } = first;
  return {
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(noNewPrivileges === undefined ? {} : { noNewPrivileges }),
    ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(ioPriority === undefined ? {} : { ioPriority }),
    ...(execCPUAffinity === undefined ? {} : { execCPUAffinity }),
  };
}

/** Empty is open, too. */
function textDefaults(process: Process, first: Process): Partial<Process> {
  const apparmorProfile = process.apparmorProfile || first.apparmorProfile;
  const selinuxLabel = process.selinuxLabel || first.selinuxLabel;
  return {
    cwd: process.cwd || first.cwd || "/",
    ...(apparmorProfile === undefined ? {} : { apparmorProfile }),
    ...(selinuxLabel === undefined ? {} : { selinuxLabel }),
  };
}
