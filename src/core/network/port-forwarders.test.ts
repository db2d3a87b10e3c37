import { describe, expect, test } from "bun:test";
import type { ForwarderWish } from "../../linux/forwarder.ts";
import { NO_LOG } from "../../base/log.ts";
import { isForwarded, PortForwarders } from "./port-forwarders.ts";
import type { Publication } from "./publications.ts";

function publication(hostIp: string, containerIp: string, more: Partial<Publication> = {}): Publication {
  return { protocol: "tcp", hostIp, hostPort: 8080, containerIp, containerPort: 80, ...more };
}

describe("isForwarded()", () => {
  const BOTH = { ipv4: true, ipv6: true };

  test.each([
    ["0.0.0.0", "172.17.0.2", BOTH, false],
    ["127.0.0.1", "172.17.0.2", BOTH, false],
    ["::", "172.17.0.2", BOTH, true],
    ["2001:db8::1", "172.17.0.2", BOTH, true],
    ["::", "fd00::2", BOTH, true], // for ::1, from where nothing leaves by another link
    ["::1", "fd00::2", BOTH, true],
    ["2001:db8::1", "fd00::2", BOTH, false],
    ["0.0.0.0", "172.17.0.2", { ipv4: false, ipv6: true }, true],
    ["2001:db8::1", "fd00::2", { ipv4: true, ipv6: false }, true],
  ] as const)("%s in front of %s with rules for %p", (host, container, translates, expected) => {
    expect(isForwarded(publication(host, container), translates)).toBe(expected);
  });

  test("what is routed, and SCTP, is not", () => {
    expect(isForwarded(publication("::", "172.17.0.2", { hostPort: 0 }), BOTH)).toBe(false);
    expect(isForwarded(publication("::", "172.17.0.2", { protocol: "sctp" }), BOTH)).toBe(false);
  });
});

describe("PortForwarders", () => {
  const deeds: string[] = [];
  const wishes: ForwarderWish[] = [];
  const alive = new Set([7]);
  let looks = 0;
  const forwarders = new PortForwarders(
    {
      pidfdOpen: (pid) => pid + 100,
      pidfdSignal: (pidfd, signal) => {
        deeds.push(`signal ${signal} to ${pidfd}`);
        if (![7, 105].includes(pidfd))
          throw Object.assign(new Error("pidfd_send_signal: ESRCH"), { code: "ESRCH" });
      },
      pidfdHasEnded: (pidfd) => {
        deeds.push(`look at ${pidfd}`);
        return --looks <= 0 && !alive.has(pidfd);
      },
      closeFd: (fd) => deeds.push(`close ${fd}`),
    },
    async (wish) => {
      wishes.push(wish);
      await wish.keep(9);
      return { pid: 5, ended: new Promise(() => {}) };
    },
    NO_LOG,
  );
  const kept: string[] = [];
  const task = {
    id: "c1",
    pid: 3,
    keep: async (name: string, fd: number) => void kept.push(`${name} ${fd}`),
  };

  test("one is started for all ports, watches the container and is kept by its shim", async () => {
    await forwarders.start(task, [{ publication: publication("::", "172.17.0.2"), fd: 20 }]);
    expect(wishes).toMatchObject([
      {
        owner: "c1",
        watch: 103,
        sockets: [{ protocol: "tcp", fd: 20, target: { address: Uint8Array.of(172, 17, 0, 2), port: 80 } }],
      },
    ]);
    expect(kept).toEqual(["forwarder 9"]);
    expect(deeds).toEqual(["close 103"]);
  });

  test("is ended once, has ended when that is said, and twice is fine", async () => {
    deeds.length = 0;
    looks = 3;
    const stopped = [forwarders.stop("c1"), forwarders.stop("c1")];
    expect(deeds).toEqual(["signal 9 to 105", "look at 105"]);
    await Promise.all(stopped);
    expect(deeds).toEqual(["signal 9 to 105", ...Array<string>(3).fill("look at 105"), "close 105"]);
  });

  test("nothing to forward, nothing started", async () => {
    await forwarders.start(task, []);
    expect(wishes).toHaveLength(1);
  });

  test("one of an earlier daemon is taken over, if it is there", async () => {
    expect(forwarders.adopt("c2", 7)).toBe(true);
    deeds.length = 0;
    expect(forwarders.adopt("c3", 8)).toBe(false);
    expect(deeds).toEqual(["look at 8", "close 8"]);
    deeds.length = 0;
    alive.delete(7);
    await forwarders.stop("c2");
    expect(deeds).toEqual(["signal 9 to 7", "look at 7", "close 7"]);
  });
});
