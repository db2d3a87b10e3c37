import { expect, test } from "bun:test";
import { engineSuite } from "../../support/suite.ts";

const NONE = ["--network", "none"];

engineSuite("ipc", {}, (engine) => {
  const run = (...args: string[]) => engine().gantry(["run", "--rm", ...NONE, ...args]);
  const donor = (name: string, ...flags: string[]): Promise<string> =>
    engine().ok(["run", "-d", "--name", name, ...NONE, ...flags, "busybox", "sleep", "1000"]);

  test("--ipc container: shares namespace and memory of a shareable container, and of one that has it from there", async () => {
    await donor("donor", "--ipc", "shareable", "--shm-size", "1m");
    const about = "readlink /proc/self/ns/ipc; mount | grep /dev/shm; cat /dev/shm/f";
    await engine().ok(["exec", "donor", "sh", "-c", "echo shared > /dev/shm/f"]);
    const own = await engine().ok(["exec", "donor", "sh", "-c", about]);
    expect(own).toContain("size=1024k");
    expect((await run("--ipc", "container:donor", "busybox", "sh", "-c", about)).stdout.trim()).toBe(own);
    await donor("second", "--ipc", "container:donor");
    await engine().ok(["exec", "second", "sh", "-c", "echo again > /dev/shm/f"]);
    const third = await run("--ipc", "container:second", "busybox", "sh", "-c", "cat /dev/shm/f");
    expect(third).toEqual({ code: 0, stdout: "again\n", stderr: "" });
  });

  test("what is shared stays for those who have it when its first owner ends", async () => {
    await donor("donor", "--ipc", "shareable");
    const id = await donor("second", "--ipc", "container:donor");
    await engine().ok(["exec", "second", "sh", "-c", "echo kept > /dev/shm/f"]);
    await engine().ok(["rm", "-f", "donor"]);
    expect(await engine().ok(["exec", id, "cat", "/dev/shm/f"])).toBe("kept");
    const { code, stderr } = await engine().gantry(["restart", "-t", "0", id]);
    expect(code).toBe(1);
    expect(stderr).toContain("No such container");
  });

  test("a container that does not offer its memory, or does not run, is not joined", async () => {
    const id = await donor("private");
    const refused = await run("--ipc", "container:private", "busybox", "true");
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain(
      `failed to join IPC namespace: container ${id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
    await engine().ok(["stop", "-t", "0", "private"]);
    expect((await run("--ipc", "container:private", "busybox", "true")).stderr).toContain(
      `failed to join IPC namespace: container ${id} is not running`,
    );
    expect((await run("--ipc", "container:nobody", "busybox", "true")).stderr).toContain(
      "No such container: nobody",
    );
  });

  test("a mount over /dev/shm in the other container is what is shared, and a link cannot lead elsewhere", async () => {
    const hidden = "umount /dev/shm && rmdir /dev/shm && ln -s /etc /dev/shm && exec sleep 1000";
    const flags = ["--ipc", "shareable", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"];
    await engine().ok(["run", "-d", "--name", "sly", ...NONE, ...flags, "busybox", "sh", "-c", hidden]);
    await engine().ok([
      "exec",
      "sly",
      "sh",
      "-c",
      "i=0; until [ -L /dev/shm ]; do i=$((i+1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done",
    ]);
    const { code, stderr } = await run("--ipc", "container:sly", "busybox", "true");
    expect(code).toBe(125);
    expect(stderr).toContain('cannot share "/dev/shm"');
    await donor("covered", "--ipc", "shareable", "--tmpfs", "/dev/shm:size=128k");
    expect((await run("--ipc", "container:covered", "busybox", "df", "/dev/shm")).stdout).toContain(" 128 ");
  });
});
