import { expect, test } from "bun:test";
import { messageOf } from "../../base/errors.ts";
import { type RemapDeps, resolveRemap } from "./userns-remap.ts";

interface Host {
  users: Record<string, number>;
  groups: Record<string, number>;
  uid: string;
  gid: string;
  made: unknown[];
}

function host(changes: Partial<Host> = {}): { host: Host; deps: RemapDeps } {
  const host: Host = {
    users: { root: 0, alice: 1000, bob: 1001 },
    groups: { root: 0, alice: 1000, staff: 50 },
    uid: "alice:100000:65536\n1001:300000:10\n",
    gid: "alice:200000:65536\n",
    made: [],
    ...changes,
  };
  const deps: RemapDeps = {
    findAccount: async (kind, key) => {
      const all = Object.entries(kind === "passwd" ? host.users : host.groups);
      const [name, id] = all.find(([each, number]) => each === key || String(number) === key) ?? [];
      return name === undefined || id === undefined ? undefined : { name, id };
    },
    readRanges: (kind) => host[kind],
    makeUser: async (name, ranges) => {
      host.made.push([name, ranges]);
      host.users[name] = 990;
      host.groups[name] = 990;
      for (const kind of ["uid", "gid"] as const)
        if (ranges[kind]) host[kind] += `${name}:${ranges[kind].first}:${ranges[kind].count}\n`;
    },
  };
  return { host, deps };
}

function refusal(deps: RemapDeps, option: string): Promise<string> {
  return resolveRemap(deps, option).then(() => "not refused", messageOf);
}

const ALICE = {
  uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
  gidMappings: [{ containerID: 0, hostID: 200_000, size: 65_536 }],
};

test.each(["alice", "alice:staff", "1000", "1000:50", "alice:alice"])(
  "%s has alice's ranges",
  async (option) => {
    expect(await resolveRemap(host().deps, option)).toEqual(ALICE);
  },
);

test("nothing, and root, remap nobody", async () => {
  for (const option of ["", "root", "0", "0:0"])
    expect(await resolveRemap(host().deps, option)).toBeUndefined();
});

test.each([
  ["a:b:c", "Invalid user/group specification in --userns-remap"],
  [":staff", "Invalid user/group specification in --userns-remap"],
  ["alice:", "Invalid user/group specification in --userns-remap"],
  ["carol", '"carol" has no entry in /etc/passwd'],
  ["alice:carol", '"carol" has no entry in /etc/group'],
  ["4711", '"4711" has no entry in /etc/passwd'],
  ["bob:staff", 'no subgid ranges found for user "bob" in /etc/subgid'],
])("%s is refused", async (option, words) => {
  expect(await refusal(host().deps, option)).toContain(words);
});

test("the default user is made once, with ids that nobody has", async () => {
  const { host: machine, deps } = host();
  expect(await resolveRemap(deps, "default")).toEqual({
    uidMappings: [{ containerID: 0, hostID: 165_536, size: 65_536 }],
    gidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
  });
  expect(await resolveRemap(deps, "default")).toBeDefined();
  expect(machine.made).toHaveLength(1);
});

test("ranges that wait for the default user are his", async () => {
  const { host: machine, deps } = host({ uid: "dockremap:500000:65536\n", gid: "dockremap:500000:65536\n" });
  expect((await resolveRemap(deps, "default"))?.uidMappings[0]?.hostID).toBe(500_000);
  expect(machine.made).toEqual([["dockremap", {}]]);
});

test("a default user without ranges is not touched", async () => {
  const { deps } = host({ users: { dockremap: 990 }, groups: { dockremap: 990 } });
  expect(await refusal(deps, "default")).toContain('no subuid ranges found for user "dockremap"');
});
