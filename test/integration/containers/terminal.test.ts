import { expect, test } from "bun:test";
import { GANTRY } from "../../support/engine.ts";
import { Terminal } from "../../support/pty.ts";
import { engineSuite } from "../../support/suite.ts";

engineSuite("terminal", {}, (engine) => {
  const at = (...args: string[]): Terminal => new Terminal([GANTRY, "--host", engine().host, ...args]);

  test("run -it is a shell: echo, output, exit code", async () => {
    const shell = at("run", "--rm", "-it", "--network", "none", "busybox", "sh");
    await shell.shows("/ # ");
    shell.type("echo $((6*7))\n");
    await shell.shows("\r\n42\r\n");
    shell.type("exit 6\n");
    expect(await shell.ends()).toBe(6);
  });

  test("Ctrl-D ends the shell", async () => {
    const shell = at("run", "--rm", "-it", "--network", "none", "busybox", "sh");
    await shell.shows("/ # ");
    shell.type("\x04");
    expect(await shell.ends()).toBe(0);
  });

  test("Ctrl-C reaches the process, not the client", async () => {
    const shell = at("run", "--rm", "-it", "--network", "none", "busybox", "sh");
    await shell.shows("/ # ");
    shell.type("echo s''leeping; sleep 1000\n");
    await shell.shows("\r\nsleeping\r\n");
    shell.type("\x03");
    shell.type("echo back\n");
    await shell.shows("\r\nback\r\n");
    shell.type("exit\n");
    await shell.ends();
  });

  test("the terminal's size is there from the start and follows resizes", async () => {
    const shell = at("run", "--rm", "-it", "--network", "none", "busybox", "sh");
    await shell.shows("/ # ");
    shell.type("stty size\n");
    await shell.shows("24 80");
    shell.resize(40, 100);
    shell.type("sleep 0.2; stty size\n");
    await shell.shows("40 100");
    shell.type("exit\n");
    await shell.ends();
  });

  test("Ctrl-P Ctrl-Q detaches and leaves the container running; attach comes back", async () => {
    const shell = at("run", "-it", "--network", "none", "--name", "stay", "busybox", "sh");
    await shell.shows("/ # ");
    shell.type("x=kept\n");
    shell.type("\x10\x11");
    expect(await shell.ends()).toBe(0);
    expect(await engine().ok(["inspect", "-f", "{{.State.Running}}", "stay"])).toBe("true");
    const again = at("attach", "--detach-keys", "ctrl-a,x", "stay");
    again.type("echo $x\n");
    await again.shows("\r\nkept\r\n");
    again.type("\x01x");
    expect(await again.ends()).toBe(1); // as Docker: attach reports that it was detached
    expect(again.seen).toContain("read escape sequence");
    expect(await engine().ok(["inspect", "-f", "{{.State.Running}}", "stay"])).toBe("true");
  });

  test("exec -it opens a second terminal in the container", async () => {
    await engine().ok(["run", "-d", "--network", "none", "--name", "host", "busybox", "sleep", "1000"]);
    const shell = at("exec", "-it", "host", "sh");
    await shell.shows("/ # ");
    shell.type("tty; ps | grep -c sleep\n");
    await shell.shows("/dev/pts/0");
    shell.type("exit 3\n");
    expect(await shell.ends()).toBe(3);
  });
});
