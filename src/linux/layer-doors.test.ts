/** What a layer becomes is the same through every door: as a directory, and as an image that the kernel shows. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { LAYER_DOORS } from "../../test/support/layer-doors.ts";
import { describeWith } from "../../test/support/requires.ts";
import { paxRecord, TarBuilder } from "../../test/support/tar-builder.ts";
import { listTree, xattrsOf } from "../../test/support/tree-listing.ts";
import { messageOf } from "../base/errors.ts";

type Entry = readonly [tag: number, permissions: number, id?: number];

const OWNER = 1;
const USER = 2;
const GROUP = 4;
const GROUP_ID = 8;
const MASK = 16;
const OTHERS = 32;

/** acl(5) as an attribute. */
function acl(entries: readonly Entry[], version = 2): Buffer {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(version);
  for (const [i, [tag, permissions, id = 0xff_ff_ff_ff]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * i);
    bytes.writeUInt16LE(permissions, 6 + 8 * i);
    bytes.writeUInt32LE(id, 8 + 8 * i);
  }
  return bytes;
}

const NAMED: readonly Entry[] = [
  [OWNER, 7],
  [USER, 6, 1000],
  [GROUP, 5],
  [GROUP_ID, 4, 7],
  [MASK, 4],
  [OTHERS, 1],
];

const ACLS: Readonly<Record<string, Buffer>> = {
  "says more than the mode": acl(NAMED),
  "says what the mode says": acl([
    [OWNER, 6],
    [GROUP, 4],
    [OTHERS, 4],
  ]),
  "has a mask though nobody is named": acl([
    [OWNER, 7],
    [GROUP, 7],
    [MASK, 1],
    [OTHERS, 0],
  ]),
  "has nothing": acl([]),
  "is empty": Buffer.alloc(0),
  "is cut off": acl(NAMED).subarray(0, 30),
  "is shorter than its head": Buffer.from([2, 0]),
  "is of another version": acl(NAMED, 1),
  "has no owner": acl([
    [GROUP, 4],
    [OTHERS, 4],
  ]),
  "names somebody without a mask": acl([
    [OWNER, 7],
    [USER, 6, 1],
    [GROUP, 5],
    [OTHERS, 1],
  ]),
  "is in another order": acl([
    [OWNER, 7],
    [GROUP, 5],
    [USER, 6, 1],
    [MASK, 7],
    [OTHERS, 1],
  ]),
  "has two owners": acl([
    [OWNER, 7],
    [OWNER, 7],
    [GROUP, 5],
    [OTHERS, 1],
  ]),
  "has a tag of nobody's": acl([
    [OWNER, 7],
    [3, 7],
    [GROUP, 5],
    [OTHERS, 1],
  ]),
  "permits what there is not": acl([
    [OWNER, 8],
    [GROUP, 5],
    [OTHERS, 1],
  ]),
  "names the user that is none": acl([
    [OWNER, 7],
    [USER, 6],
    [GROUP, 5],
    [MASK, 7],
    [OTHERS, 1],
  ]),
};

function capability(magic: number, size: number): Buffer {
  const bytes = Buffer.alloc(size, 1);
  bytes.writeUInt32LE(magic);
  return bytes;
}

const attribute = (name: string, value: Uint8Array): Buffer => paxRecord(`SCHILY.xattr.${name}`, value);

/** An extended header with one attribute, for the entry that follows. */
const withAttribute = (builder: TarBuilder, name: string, value: Uint8Array): TarBuilder =>
  builder.extended("x", attribute(name, value));

async function* one(archive: Uint8Array): AsyncGenerator<Uint8Array> {
  yield archive;
}

/** Everything that can be seen of it, or what it was refused with. */
async function outcome(door: (typeof LAYER_DOORS)[number], archive: Uint8Array): Promise<readonly string[]> {
  const work = mkdtempSync(join(tmpdir(), "gantry-doors-"));
  const root = join(work, "root");
  try {
    mkdirSync(root);
    const usage = await door.apply(root, one(archive), new AbortController().signal);
    const lines = listTree(root, { times: false });
    const names = lines.map((line) => line.split(" | ")[0] ?? "");
    return [JSON.stringify(usage), ...lines, ...names.slice(0, 20).flatMap((name) => xattrsOf(root, name))];
  } catch (error) {
    // A directory's default ACL waits for the end, when no entry is at work.
    return [messageOf(error).replace(/entry "d": (?=.*acl_default)/, "")];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

describeWith("a layer is the same as a directory and as an image", ["root", "native", "erofs"], () => {
  const agree = (what: string, make: (builder: TarBuilder) => TarBuilder): void => {
    test(what, async () => {
      const archive = make(new TarBuilder()).end();
      const [directory, image] = await Promise.all(LAYER_DOORS.map((door) => outcome(door, archive)));
      expect(image).toEqual(directory ?? []);
    });
  };

  for (const [what, value] of Object.entries(ACLS)) {
    agree(`with an ACL that ${what}`, (builder) =>
      withAttribute(builder, "system.posix_acl_access", value).file("f", "x", { mode: 0o640 }),
    );
    agree(`with a default ACL that ${what}`, (builder) =>
      withAttribute(builder.directory("d"), "system.posix_acl_default", value)
        .directory("d", { mode: 0o750 })
        .file("d/below", "x", { mode: 0o640 }),
    );
  }

  agree("with a mode that comes after the ACL", (builder) =>
    withAttribute(builder, "system.posix_acl_access", acl(NAMED))
      .directory("d", { mode: 0o755 })
      .directory("d", { mode: 0o701 }),
  );

  for (const [magic, size] of [
    [0x02_00_00_01, 20],
    [0x03_00_00_01, 24],
    [0x02_00_00_00, 24],
    [0x01_00_00_00, 12],
    [0, 0],
  ] as const)
    agree(`with capabilities of version ${magic >> 24} in ${size} bytes`, (builder) =>
      withAttribute(builder, "security.capability", size === 0 ? Buffer.alloc(0) : capability(magic, size))
        .file("f", "x", { mode: 0o755, uid: 5 })
        .hardlink("same", "f", { mode: 0o755, uid: 5 })
        .hardlink("others", "f", { mode: 0o755, uid: 6 }),
    );

  agree("with attributes that a hard link brings, more than there were", (builder) =>
    withAttribute(
      builder.file("small", "content").file("large", Buffer.alloc(9000, "y")),
      "user.a",
      Buffer.alloc(500, "v"),
    )
      .hardlink("one", "small")
      .extended("x", attribute("user.b", Buffer.alloc(900, "w")))
      .hardlink("two", "large")
      .extended("x", attribute("user.b", Buffer.alloc(3, "w")))
      .hardlink("three", "large"),
  );

  agree("with attributes larger than a block", (builder) =>
    withAttribute(builder, "user.large", Buffer.alloc(3000, "v")).file("f", Buffer.alloc(5000, "z")),
  );

  agree("with directories that hand down their group", (builder) =>
    builder.directory("d", { mode: 0o2775, gid: 50 }).file("d/implied/further/f", "x"),
  );

  agree("with devices that are given away", (builder) =>
    builder
      .device("disk", "block", 8, 1, { mode: 0o6771, uid: 3, gid: 4 })
      .device("disk2", "block", 4095, 1_048_575, { mode: 0o4700 })
      .hardlink("disk3", "disk2", { uid: 9 }),
  );

  agree("with links to what is replaced, removed and turned round", (builder) =>
    builder
      .file("d/a", "1")
      .hardlink("kept", "d/a")
      .file("d", "not a directory")
      .directory("d/e")
      .symlink("link", "d")
      .file("link/f", "2")
      .hardlink("g", "link/f")
      .file("link", "3"),
  );

  agree("with 600 names in one directory, long and short", (builder) => {
    for (let i = 0; i < 600; i++) builder.file(`${i % 3 === 0 ? "n".repeat(i % 200) : ""}${i}`, "");
    return builder;
  });

  agree("with names that stand before and behind the dots", (builder) =>
    [" ", "!", "-", "...", "..a", ".a", "a", "\x7f"].reduce(
      (tar, name) => tar.file(`x/${name}`, name),
      builder,
    ),
  );

  for (const size of [0, 1, 3900, 4031, 4032, 4033, 4095, 4096, 4097, 8191, 8192, 12_289, 70_000])
    agree(`with files of ${size} bytes`, (builder) =>
      builder
        .file("a", Buffer.alloc(size, "a"))
        .file("b", Buffer.alloc(size, "b"))
        .symlink("l", "t".repeat(Math.min(size, 4000) || 1)),
    );
});
