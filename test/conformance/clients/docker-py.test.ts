import { spawnSync } from "node:child_process";
import { engineSuite } from "../../support/suite.ts";
import { testPrograms } from "./programs.ts";

/** Debian's, and another Python's where somebody has installed it for that. */
const versions = new Map<string, string>();
for (const python of ["/usr/bin/python3", "python3"]) {
  const found = spawnSync(python, ["-c", "import docker; print(docker.__version__)"], { encoding: "utf8" });
  const version = found.status === 0 ? found.stdout.trim() : "";
  if (version !== "" && !versions.has(version)) versions.set(version, python);
}
if (versions.size === 0) versions.set("of any version", "python3");

for (const [version, python] of versions)
  engineSuite(`docker-py ${version}`, { needs: ["docker-py"] }, (engine) => {
    testPrograms(engine, "docker-py", ["engine.py"], python, { PYTHONDONTWRITEBYTECODE: "1" });
  });
