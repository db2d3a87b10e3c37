/**
 * Deliberate holes, each a small edit of the sources, and the test that must notice it. A security test that passes on the
 * weakened build guards nothing. `npm run weaken` (tools/weaken.ts) makes and judges all of them.
 */
export interface Edit {
  /** Below the checkout. */
  readonly file: string;
  /** Must stand in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Weakening {
  /** Of the defence that is taken away. */
  readonly name: string;
  /** What an attacker gains, and where that has happened before. */
  readonly why: string;
  readonly edits: readonly Edit[];
  /** A test file, and a part of the name of a test in it that passes on the sound build and fails on this one. */
  readonly test: { readonly file: string; readonly name: string };
}

const ESCAPE = "test/integration/security/escape.test.ts";

export const WEAKENINGS: readonly Weakening[] = [
  {
    name: "descriptors-stay-open",
    why: "a host directory's descriptor in the container is a way out (CVE-2024-21626)",
    edits: [
      {
        file: "native/src/init.c",
        find: '  return sys_close_range (from, ~0u, 0) < 0 ? err_set (e, errno, "cannot close descriptors") : 0;',
        replace: "  return 0;",
      },
      {
        file: "native/src/exec.c",
        find: "  if (sys_close_range (in->first_own_fd, ~0u, CLOSE_RANGE_CLOEXEC) < 0 && !in->is_swept)",
        replace: "  if (fcntl (in->root_fd, F_SETFD, 0) < 0 && dup (in->root_fd) < 0)",
      },
    ],
    test: { file: ESCAPE, name: "nothing beyond 0-2 is open" },
  },
];
