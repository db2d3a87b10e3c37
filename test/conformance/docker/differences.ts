/**
 * Where the engine answers the stock client otherwise than the recorded Docker, and why. A difference that no row explains fails
 * the test, and so does a row that explains nothing any more.
 */
import type { Difference } from "./difference.ts";

export const DIFFERENCES: readonly Difference[] = [
  {
    command: /^docker (run|create|start|inspect -f '\{\{\.State\.Status\}\} \{\{\.State\.ExitCode\}\})/,
    lines: /failed to create (task for container|shim task)/,
    reason: "no other runtime stands between that could have failed, so what it is called is not said",
  },
  {
    command: /^docker run --rm --cpu-shares/,
    reason: "refused when the container is created, before a runtime is asked",
  },
  {
    command: /^docker create --tmpfs \/x:nonsense|--log-opt max-size=nonsense/,
    reason: "refused when the container is created; Docker makes one that never starts",
  },
  {
    command: /^docker create --network container:cf-nobody \$IMAGE$/,
    reason:
      "refused when the container is created; Docker makes one that starts when there is such another by then",
  },
  {
    command: /^docker create --(network none --ip|ip nonsense)/,
    reason:
      "as Docker 28: a network that nobody can give subnets is not said to have none, and no subnet is said not to contain what is no address",
  },
  {
    command: /--blkio-weight |\.BlkioWeight/,
    reason: "weights are those of the scheduler BFQ, which this kernel has; Docker looks for the one before",
  },
  {
    command: /^docker inspect cf-host$/,
    lines: /HostConfig\.BlkioWeight /,
    reason: "weights are those of the scheduler BFQ, as above",
  },
  {
    command: /--platform linux\/arm64 --pull never/,
    reason: "words of Docker 28",
  },
  {
    command: /--security-opt label=nonsense/,
    reason: "a label that there is not is refused on hosts without SELinux, too",
  },
  {
    command: /^docker (image )?inspect (cf-(plain|full|host)|\$IMAGE)$/,
    lines: /\.GraphDriver\.Data\./,
    reason: "layers and containers have directories of their own (docs/storage.md)",
  },
  {
    command: /^docker inspect cf-(plain|full|host)$/,
    lines: /\.HostConfig\.MaskedPaths\[/,
    reason: "more of /proc and /sys is masked, in the order of names",
  },
  {
    command: /^docker inspect cf-(plain|full)$|^docker info .*DefaultRuntime/,
    lines: /gantry-runc|runc/,
    reason: "the runtime has its own name; `runc` means it, too",
  },
  {
    command: /^docker inspect (cf-(plain|full|host)|-f '\{\{json \.NetworkSettings\.Networks\}\}' cf-net1)$/,
    lines: /NetworkID/,
    reason: "which network a container is in is known before it runs",
  },
  {
    command: /^docker ps .*--filter expose=80/,
    reason: "what a container exposes is known when it does not run, too",
  },
  {
    command: /^docker exec -w relative/,
    reason: "refused before a runtime is asked, in the words of `run`",
  },
  {
    command: /^docker exec cf-e (no-such-program|'')$/,
    lines: /^= 12[67]$/,
    reason: "a program that is not found is exit code 127, as with `run`; Docker has this from 28 on",
  },
  {
    command: /^docker exec --detach-keys nonsense/,
    reason: "words of Docker 28",
  },
  {
    command: /^echo no tar \| docker cp/,
    reason: "says what was wrong with what",
  },
  {
    command: /^docker save cf-nowhere/,
    reason: "says the tag that was looked for, as other verbs do",
  },
  {
    command: /docker load( |$)/,
    reason:
      "an archive that is none is an error of the request, and says what is missing; Docker answers 200 and then fails",
  },
  {
    command: /^docker push cf-nowhere/,
    reason: "an image that there is not is an error of the request; Docker answers 200 and then fails",
  },
  {
    command: /^docker network create ''/,
    reason: "says what is wrong with the name",
  },
  {
    command: /^docker network (inspect cf-n|ls .*--format json)/,
    lines: /EnableIPv4|"IPv4"/,
    reason: "says whether there is IPv4, as Docker 28 does to clients of every version",
  },
  {
    command: /^docker network inspect bridge/,
    reason: "the default bridge has its own name",
  },
  {
    command: /^docker network connect host/,
    reason: "words of Docker 28",
  },
  {
    command: /^docker network rm cf-n1$/,
    reason: "words of Docker 28, which name the container",
  },
  {
    command: /^docker events .*--filter event=commit/,
    reason: "a container is paused only until its files are read; Docker packs them meanwhile",
  },
  {
    command: /^docker events .*--filter nonsense=1/,
    reason: "a filter that there is not is refused, as for lists",
  },
  {
    command: /^docker info .*DefaultRuntime/,
    reason: "names of the engine's own programs",
  },
  {
    command: /^docker info --format '\{\{json \.Plugins\}\}'/,
    reason: "no overlay networks, and no log drivers of clouds",
  },
  {
    command: /^docker info --format json/,
    lines: /KernelMemoryTCP/,
    reason: "without a field of cgroup v1 that means nothing any more and newer Dockers dropped",
  },
  {
    command: /^docker builder prune/,
    lines: /invalid filter/,
    reason: "a filter that there is not is refused in the words of other lists",
  },
  {
    command: /^docker update --memory-swap 32m/,
    reason: "refused before a runtime is asked, and says what is wrong",
  },
  {
    command: /^docker inspect .*\.HostConfig\.PidsLimit\}\}' cf-u$/,
    reason: "no limit is null, however it came about",
  },
];
