/**
 * `checkpoint`: criu(8) stores the container's processes in files. A failure leaves the container as it was. A kill in the
 * middle: criu goes on, and what it leaves is a container that has ended, for `delete`, or one that runs, perhaps frozen, for
 * `resume` or `delete --force`.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fail, isCategory } from "../base/errors.ts";
import { runProgram } from "../base/process.ts";
import { freezerOf, isFrozenNow, thawNow } from "../linux/cgroup-now.ts";
import { cgroupDirs } from "../linux/cgroup-paths.ts";
import { readHostFacts } from "../linux/host-facts.ts";
import { markHostNamespaces } from "../linux/own-namespaces.ts";
import { isAlive } from "../linux/process-state.ts";
import { maskedFiles } from "../linux/masked-files.ts";
import { foreignStreams } from "../linux/standard-streams.ts";
import { cgroupPathOf } from "../runtime/compile-cgroup.ts";
import { compile } from "../runtime/compile.ts";
import { decodeSpec } from "../specs/oci-runtime/decode.ts";
import { type Container, loadContainer, mainProcess } from "./container.ts";
import type { Context } from "./context.ts";
import { DEFAULT_CONFIG, DUMP_LOG, type DumpFacts, dumpWords, joinedNamespaces } from "./criu.ts";
import { criuPlaces, lastErrors, writeStreams } from "./criu-files.ts";
import { deleteContainer } from "./delete-container.ts";
import type { Flags } from "./flags.ts";
import { conditionOf } from "./status.ts";

/** Memory is written to disk: minutes, where there is much of it. */
const CRIU_TIMEOUT_MS = 30 * 60_000;
const CHECK_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 1 << 20;

export async function checkpointContainer(context: Context, flags: Flags, id: string): Promise<void> {
  const container = loadContainer(context.root, id);
  const { status, pid } = conditionOf(container);
  if (status !== "running" && status !== "paused")
    throw fail("conflict", `container cannot be checkpointed in ${status} state`);
  const facts = dumpFacts(context, flags, container, pid);
  const words = dumpWords(flags, facts);
  const staysAlive = flags.isOn("leave-running") || flags.isOn("pre-dump");
  if (!flags.isOn("pre-dump")) writeStreams(facts.images, facts.streams);
  if (flags.isOn("pre-dump") || flags.text("parent-path") !== "") await needMemoryTracking();
  context.log.debug(`running criu ${words.join(" ")}`);
  try {
    await callCriu(words, facts);
  } catch (error) {
    if (status === "running" && conditionOf(container).pid !== 0) thawIfFrozen(container);
    throw error;
  }
  if (!staysAlive) await deleteStored(context, id);
}

function dumpFacts(context: Context, flags: Flags, container: Container, pid: number): DumpFacts {
  const { id, record, directory } = container;
  const spec = markHostNamespaces(decodeSpec(record.config));
  if (spec.process?.terminal === true)
    throw fail(
      "not_implemented",
      "a container with a terminal cannot be checkpointed: it could not be restored",
    );
  // What cannot be restored is not ended.
  joinedNamespaces(spec);
  const facts = readHostFacts();
  const { ops } = compile({
    spec,
    rootfs: { kind: "bind", source: record.rootfs },
    staging: join(directory, "rootfs"),
    taskId: id,
    facts,
    init: false,
    bundle: record.bundle,
    warn: (message) => context.log.debug(message),
  });
  return {
    ...criuPlaces(context, flags, true),
    spec,
    ops,
    cgroups: cgroupDirs(facts.cgroup, cgroupPathOf(spec, id)),
    hasDefaultConfig: existsSync(DEFAULT_CONFIG),
    pid,
    rootfs: record.rootfs,
    freezer: freezerOf(record.cgroupDirs).dir,
    maskedFiles: maskedFiles(pid),
    streams: foreignStreams(pid),
    inodeOf: (path) => statSync(path, { bigint: true }).ino,
  };
}

/** Without it criu 4.1 ends by an assertion. */
async function needMemoryTracking(): Promise<void> {
  const { exitCode } = await runProgram("criu", ["check", "--feature", "mem_dirty_track"], {
    timeoutMs: CHECK_TIMEOUT_MS,
    maxBytes: MAX_OUTPUT_BYTES,
  });
  if (exitCode !== 0)
    throw fail(
      "not_implemented",
      "criu is missing features: mem_dirty_track, which the kernel must have, too",
    );
}

async function callCriu(words: readonly string[], { work }: DumpFacts): Promise<void> {
  const { exitCode, stderr } = await runProgram("criu", words, {
    timeoutMs: CRIU_TIMEOUT_MS,
    maxBytes: MAX_OUTPUT_BYTES,
  });
  if (exitCode === 0) return;
  throw fail("internal", `criu failed with exit status ${exitCode}${lastErrors(stderr, work, DUMP_LOG)}`);
}

/** criu thaws by itself, unless it was killed. */
function thawIfFrozen({ record }: Container): void {
  if (isFrozenNow(record.cgroupDirs)) thawNow(record.cgroupDirs);
}

/** As runc: a container that is stored is gone. A `run` in the foreground may be faster. */
async function deleteStored(context: Context, id: string): Promise<void> {
  try {
    const container = loadContainer(context.root, id);
    const main = mainProcess(container);
    if (main !== undefined && isAlive(main) && conditionOf(container).status === "paused")
      thawNow(container.record.cgroupDirs);
    await deleteContainer(context, id, true);
  } catch (error) {
    if (!isCategory(error, "not_found")) throw error;
  }
}
