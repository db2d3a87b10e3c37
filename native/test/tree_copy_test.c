/* Copying into trees that somebody changes meanwhile, and what names are in them. No process is confined here: what holds is how
   names are opened. src/linux/container-files.test.ts has the commands, src/linux/hostile-layers.test.ts the archives. */
#include "check.h"

#include "../src/tree_diff.h"
#include "../src/tree_input.h"
#include "../src/tree_open.h"
#include "../src/tree_output.h"
#include "../src/tree_resolve.h"
#include "../src/tree_unpack.h"
#include "../src/tree_write.h"
#include "err.h"
#include "fds.h"
#include "sandbox.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char base[64];

static void make_base (void) {
  static int made;
  snprintf (base, sizeof base, "/tmp/gantry-native-copy-%d-%d", getpid (), made++);
  MUST (mkdir (base, 0700) == 0 && chdir (base) == 0 && mkdir ("tree", 0755) == 0 && mkdir ("outside", 0755) == 0);
}

static void remove_base (void) {
  char command[100];
  MUST (chdir ("/") == 0);
  snprintf (command, sizeof command, "rm -rf %s", base);
  MUST (system (command) == 0);
}

static int open_tree_root (void) {
  int root = open ("tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  MUST (root >= 0);
  return root;
}

/* An archive in memory: a directory for a name that ends in a slash, else an empty file. */
static int archive_of (const char *const *names) {
  struct output o;
  struct err e = { 0 };
  auto_fd to = memfd_create ("archive", MFD_CLOEXEC);
  MUST (to >= 0 && output_open (&o, to, &e) == 0);
  for (; *names != NULL; names++) {
    char name[256];
    snprintf (name, sizeof name, "%s", *names);
    bool is_directory = name[strlen (name) - 1] == '/';
    if (is_directory)
      name[strlen (name) - 1] = 0;
    const struct tar_entry t = { .type = is_directory ? TAR_DIRECTORY : TAR_FILE, .name = name, .mode = 0755 };
    MUST (tar_write_header (&o, &t, &e) == 0);
  }
  MUST (tar_write_end (&o, &e) == 0 && output_flush (&o, &e) == 0);
  output_close (&o);
  MUST (lseek (to, 0, SEEK_SET) == 0);
  return fd_release (&to);
}

static int unpack (const char *below, int how, const char *const *names, struct err *e) {
  static struct apply_result result;
  struct input in;
  const struct unpack u = { .below = below, .shown = "/", .how = how };
  auto_fd root = open_tree_root (), archive = archive_of (names);
  MUST (input_open (&in, archive, e) == 0);
  int done = tree_unpack (root, &u, &in, &result, e);
  input_close (&in);
  MUST (chdir (base) == 0);
  return done;
}

static pid_t swap_for_ever (void) {
  pid_t pid = fork ();
  MUST (pid >= 0);
  if (pid == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
      renameat2 (AT_FDCWD, "tree/d", AT_FDCWD, "tree/link", RENAME_EXCHANGE);
  }
  return pid;
}

static bool is_empty (const char *path) {
  char command[200];
  snprintf (command, sizeof command, "test -z \"$(ls -A %s/%s)\"", base, path);
  return system (command) == 0;
}

TEST ("a directory that is swapped with a link while it is copied into never leads outside") {
  static const char *const names[] = { "sub/", "sub/f", "f", "sub/deep/", "sub/deep/f", NULL };
  make_base ();
  MUST (mkdir ("tree/d", 0755) == 0 && symlink ("../outside", "tree/link") == 0);
  pid_t attacker = swap_for_ever ();
  int done = 0;
  for (int i = 0; i < 400; i++) {
    struct err e = { 0 };
    done += unpack ("d", OPEN_ACROSS | OPEN_NO_KERNEL, names, &e) == 0;
  }
  MUST (kill (attacker, SIGKILL) == 0 && waitpid (attacker, NULL, 0) == attacker);
  CHECK (is_empty ("outside"));
  CHECK (done > 0);
  remove_base ();
}

TEST ("a link that stays inside is followed to where it leads") {
  static const char *const names[] = { "f", NULL };
  struct err e = { 0 };
  make_base ();
  MUST (mkdir ("tree/d", 0755) == 0 && symlink ("/d", "tree/link") == 0);
  CHECK (unpack ("link", OPEN_ACROSS | OPEN_NO_KERNEL, names, &e) == 0);
  CHECK (access ("tree/d/f", F_OK) == 0);
  remove_base ();
}

TEST ("a host's directory follows links beneath it alone") {
  static const char *const names[] = { "link/f", NULL };
  struct err e = { 0 };
  make_base ();
  MUST (mkdir ("tree/d", 0755) == 0 && symlink ("../outside", "tree/link") == 0);
  CHECK (unpack ("", OPEN_ACROSS | OPEN_BENEATH, names, &e) < 0);
  CHECK_TEXT (e.text, "a link on the way to it leads out of the directory");
  CHECK (is_empty ("outside"));
  MUST (unlink ("tree/link") == 0 && symlink ("d", "tree/link") == 0);
  CHECK (unpack ("", OPEN_ACROSS | OPEN_BENEATH, names, &(struct err){ 0 }) == 0);
  CHECK (access ("tree/d/f", F_OK) == 0);
  remove_base ();
}

static const char *resolved (const char *path, struct err *e) {
  static char target[TREE_PATH_BYTES];
  auto_fd root = open_tree_root ();
  return resolve_link (root, OPEN_ACROSS, path, target, e) < 0 ? e->text : target;
}

TEST ("a link's target is told as far as there is anything, and never above the root") {
  struct err e = { 0 };
  make_base ();
  MUST (mkdir ("tree/d", 0755) == 0 && symlink ("../../../x/../y", "tree/d/up") == 0);
  MUST (symlink ("/d/up", "tree/two") == 0 && symlink ("d", "tree/dir") == 0 && symlink (".", "tree/self") == 0);
  CHECK_TEXT (resolved ("/d/up", &e), "/y");
  CHECK_TEXT (resolved ("/two", &e), "/y");
  CHECK_TEXT (resolved ("/dir/none/f", &e), "/d/none/f");
  CHECK_TEXT (resolved ("/self/self/dir", &e), "/d");
  CHECK_TEXT (resolved ("/self", &e), "/");
  remove_base ();
}

TEST ("links that lead in a circle, or grow, come to an end") {
  struct err e = { 0 };
  make_base ();
  MUST (symlink ("b", "tree/a") == 0 && symlink ("a", "tree/b") == 0 && symlink ("grow/x", "tree/grow") == 0);
  CHECK_TEXT (resolved ("/a", &e), "cannot follow the link");
  CHECK_TEXT (resolved ("/grow", &(struct err){ 0 }), "cannot follow the link");
  remove_base ();
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
