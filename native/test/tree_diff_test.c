/* Trees that change while they are walked, and trees that are made to harm. What archives of well-behaved ones look like
   is the subject of src/linux/read-tree.test.ts. */
#include "check.h"

#include "../src/tree_diff.h"
#include "../src/tree_input.h"
#include "../src/tree_output.h"
#include "../src/tree_tar.h"
#include "err.h"
#include "fds.h"
#include "sandbox.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOKEN "TOKEN-FROM-OUTSIDE"

static char base[64];

static void make_base (void) {
  static int made;
  snprintf (base, sizeof base, "/tmp/gantry-native-diff-%d-%d", getpid (), made++);
  MUST (mkdir (base, 0700) == 0 && chdir (base) == 0 && mkdir ("tree", 0755) == 0 && mkdir ("outside", 0755) == 0);
}

static void remove_base (void) {
  char command[100];
  MUST (chdir ("/") == 0);
  snprintf (command, sizeof command, "rm -rf %s", base);
  MUST (system (command) == 0);
}

static void put_file (const char *name, const char *text) {
  auto_fd fd = open (name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  MUST (fd >= 0 && write (fd, text, strlen (text)) == (ssize_t) strlen (text));
}

/* The archive of "tree" in memory; -1 when it cannot be. */
static int packed (struct err *e) {
  char name[TREE_PATH_BYTES];
  struct output o;
  MUST (chdir (base) == 0); /* reading attributes of a fifo changed it */
  auto_fd tree = open ("tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC), to = memfd_create ("archive", MFD_CLOEXEC);
  MUST (tree >= 0 && to >= 0 && output_open (&o, to, e) == 0);
  const struct tree_pair pair = { .now = tree, .before = -1 };
  int result = tree_pack (&pair, &o, name, e);
  output_close (&o);
  MUST (lseek (to, 0, SEEK_SET) == 0);
  return result < 0 ? -1 : fd_release (&to);
}

static bool holds (int archive, const char *text) {
  off_t size = lseek (archive, 0, SEEK_END);
  char *bytes = malloc ((size_t) size);
  MUST (bytes != NULL && pread (archive, bytes, (size_t) size, 0) == size);
  bool found = memmem (bytes, (size_t) size, text, strlen (text)) != NULL;
  free (bytes);
  MUST (lseek (archive, 0, SEEK_SET) == 0);
  return found;
}

/* Reads the archive to its end; its names go to `names`, one a line. */
static bool is_whole (int archive, char *names, size_t room, struct err *e) {
  struct input in;
  struct tar_entry entry;
  int found;
  MUST (input_open (&in, archive, e) == 0);
  struct tar_reader *reader = tar_reader_new (&in);
  MUST (reader != NULL);
  names[0] = 0;
  while ((found = tar_next (reader, &entry, e)) > 0) {
    size_t used = strlen (names);
    snprintf (names + used, room - used, "%s\n", entry.name);
  }
  tar_reader_free (reader);
  input_close (&in);
  return found == 0;
}

/* Works until it is killed. */
static pid_t attack (void (*once) (void)) {
  pid_t pid = fork ();
  MUST (pid >= 0);
  if (pid == 0) {
    prctl (PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
      once ();
  }
  return pid;
}

static void stop (pid_t pid) {
  MUST (kill (pid, SIGKILL) == 0 && waitpid (pid, NULL, 0) == pid);
}

static void exchange (void) {
  renameat2 (AT_FDCWD, "tree/swapped", AT_FDCWD, "tree/link", RENAME_EXCHANGE);
}

static void check_swaps (void) {
  char names[4096];
  struct err e = { 0 };
  pid_t attacker = attack (exchange);
  for (int i = 0; i < 400; i++) {
    auto_fd archive = packed (&e);
    if (archive < 0 || holds (archive, TOKEN) || !is_whole (archive, names, sizeof names, &e)) {
      stop (attacker);
      printf ("    %s\n%s", e.text, names);
      CHECK (!"nothing from outside, and a whole archive");
    }
  }
  stop (attacker);
}

TEST ("a directory that is swapped with a link never leads outside") {
  make_base ();
  put_file ("outside/secret", TOKEN);
  MUST (mkdir ("tree/swapped", 0755) == 0 && symlink ("../outside", "tree/link") == 0);
  put_file ("tree/swapped/secret", "inside");
  check_swaps ();
  remove_base ();
}

TEST ("a file that is swapped with a link never leads outside") {
  make_base ();
  put_file ("outside/secret", TOKEN);
  put_file ("tree/swapped", "inside");
  MUST (symlink ("../outside/secret", "tree/link") == 0);
  check_swaps ();
  remove_base ();
}

TEST ("a file that is swapped with a fifo holds nobody up") {
  make_base ();
  put_file ("tree/swapped", "inside");
  MUST (mkfifo ("tree/link", 0600) == 0);
  alarm (60);
  check_swaps ();
  alarm (0);
  remove_base ();
}

static void come_and_go (void) {
  put_file ("tree/d/file", "some text that comes and goes");
  MUST (mkdir ("tree/d/e", 0755) == 0);
  put_file ("tree/d/e/f", "");
  truncate ("tree/d/file", 3);
  unlink ("tree/d/e/f");
  rmdir ("tree/d/e");
  unlink ("tree/d/file");
}

TEST ("what comes, goes, grows and shrinks meanwhile leaves a whole archive") {
  char names[4096];
  struct err e = { 0 };
  make_base ();
  MUST (mkdir ("tree/d", 0755) == 0);
  pid_t attacker = attack (come_and_go);
  bool good = true;
  for (int i = 0; i < 400 && good; i++) {
    auto_fd archive = packed (&e);
    good = archive >= 0 && is_whole (archive, names, sizeof names, &e);
  }
  stop (attacker);
  remove_base ();
  CHECK_TEXT (e.text, "");
  CHECK (good);
}

static void move_away (void) {
  rename ("tree/a/b", "tree/b");
  rename ("tree/b", "tree/a/b");
  rename ("tree/a", "outside/a");
  rename ("outside/a", "tree/a");
}

TEST ("a directory that is moved while it is walked is still only itself") {
  char names[4096];
  struct err e = { 0 };
  make_base ();
  put_file ("outside/secret", TOKEN);
  MUST (mkdir ("tree/a", 0755) == 0 && mkdir ("tree/a/b", 0755) == 0 && mkdir ("tree/a/b/c", 0755) == 0);
  put_file ("tree/a/b/c/file", "inside");
  pid_t attacker = attack (move_away);
  bool good = true;
  for (int i = 0; i < 400 && good; i++) {
    auto_fd archive = packed (&e);
    good = archive >= 0 && !holds (archive, TOKEN) && is_whole (archive, names, sizeof names, &e);
  }
  stop (attacker);
  remove_base ();
  CHECK_TEXT (e.text, "");
  CHECK (good);
}

TEST ("sockets are left out, names come by their bytes, and a directory before what is in it") {
  char names[4096];
  struct err e = { 0 };
  struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "tree/socket" };
  auto_fd listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  make_base ();
  MUST (bind (listener, (struct sockaddr *) &address, sizeof address) == 0);
  MUST (mkdir ("tree/a", 0755) == 0);
  put_file ("tree/a/z", "");
  put_file ("tree/a-", "");
  put_file ("tree/B", "");
  put_file ("tree/\xff", "");
  auto_fd archive = packed (&e);
  CHECK (archive >= 0 && is_whole (archive, names, sizeof names, &e));
  CHECK_TEXT (names, "B\na/\na/z\na-\n\xff\n");
  remove_base ();
}

/* A path of more than 4095 bytes: 20 directories with names of 250 bytes, made below descriptors. */
TEST ("a path that an archive cannot hold is an error that names it, not a crash") {
  char part[251] = { 0 }, name[TREE_PATH_BYTES];
  struct output o;
  struct err e = { 0 };
  make_base ();
  memset (part, 'p', 250);
  MUST (chdir ("tree") == 0);
  for (int i = 0; i < 20; i++)
    MUST (mkdir (part, 0755) == 0 && chdir (part) == 0);
  MUST (chdir (base) == 0);
  auto_fd tree = open ("tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC), to = memfd_create ("archive", MFD_CLOEXEC);
  MUST (output_open (&o, to, &e) == 0);
  const struct tree_pair pair = { .now = tree, .before = -1 };
  CHECK (tree_pack (&pair, &o, name, &e) < 0 && e.code == 0);
  CHECK (strstr (e.text, "its path has more than 4094 bytes") != NULL);
  output_close (&o);
  remove_base ();
}

int main (int argc, char **argv) {
  return run_tests (argc, argv);
}
