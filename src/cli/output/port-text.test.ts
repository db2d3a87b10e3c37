import { describe, expect, test } from "bun:test";
import { displayPorts } from "./port-text.ts";

/** "IP:public->private/type" or "private/type". */
function ports(...texts: string[]): Parameters<typeof displayPorts>[0] {
  return texts.map((text) => {
    const match = /^(?:(.*):(\d+)->)?(\d+)\/(\w+)$/.exec(text);
    const [, ip, publicPort, privatePort, type = ""] = match ?? [];
    const inside = { PrivatePort: Number(privatePort), Type: type };
    return ip === undefined ? inside : { ...inside, IP: ip, PublicPort: Number(publicPort) };
  });
}

describe("displayPorts()", () => {
  for (const [given, shown] of [
    [[], ""],
    [["80/tcp"], "80/tcp"],
    [["0.0.0.0:8080->80/tcp", ":::8080->80/tcp"], "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"],
    [
      ["0.0.0.0:80->80/tcp", ":::80->80/tcp", "0.0.0.0:81->81/tcp", ":::81->81/tcp"],
      "0.0.0.0:80-81->80-81/tcp, [::]:80-81->80-81/tcp",
    ],
    [["0.0.0.0:82->82/tcp", "0.0.0.0:80->80/tcp"], "0.0.0.0:80->80/tcp, 0.0.0.0:82->82/tcp"],
    [["7001/tcp", "7000/tcp", "7002/udp"], "7000-7001/tcp, 7002/udp"],
    [["0.0.0.0:80->80/udp", "0.0.0.0:81->81/tcp"], "0.0.0.0:80->80/udp, 0.0.0.0:81->81/tcp"],
    [
      ["0.0.0.0:1080->80/tcp", "0.0.0.0:1081->81/tcp", "90/tcp"],
      "90/tcp, 0.0.0.0:1080->80/tcp, 0.0.0.0:1081->81/tcp",
    ],
    [["0.0.0.0:82->82/sctp", "0.0.0.0:83->83/sctp", "81/sctp"], "81/sctp, 0.0.0.0:82-83->82-83/sctp"],
    [
      ["80/tcp", "0.0.0.0:80->80/tcp", "0.0.0.0:90->80/tcp"],
      "80/tcp, 0.0.0.0:80->80/tcp, 0.0.0.0:90->80/tcp",
    ],
    [
      [
        "fe80::1:80->80/tcp",
        ":::80->80/tcp",
        "10.0.0.10:80->80/tcp",
        "9.0.0.10:80->80/tcp",
        "::1:81->80/udp",
      ],
      "10.0.0.10:80->80/tcp, 9.0.0.10:80->80/tcp, [::]:80->80/tcp, [fe80::1]:80->80/tcp, [::1]:81->80/udp",
    ],
    [["127.0.0.1:80->80/tcp", "0.0.0.0:81->81/tcp"], "127.0.0.1:80->80/tcp, 0.0.0.0:81->81/tcp"],
  ] as const)
    test(given.join(" ") || "nothing", () => {
      expect(displayPorts(ports(...given))).toBe(shown);
    });
});
