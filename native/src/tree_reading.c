#include "tree_reading.h"

#include "err.h"
#include "tree_diff.h"
#include "tree_ids.h"
#include "tree_output.h"
#include "tree_sandbox.h"
#include "tree_view.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { MAX_MOUNTPOINTS = 256 };

/* "KIND DIR..." */
struct words {
  char **word;
  int count;
};

struct request {
  struct words now, before;
  bool has_before;
  bool has_ids;
  struct shift_maps ids;
  const char *mountpoints[MAX_MOUNTPOINTS];
  size_t mountpoint_count;
};

static bool is (const char *word, const char *name) {
  return strcmp (word, name) == 0;
}

/* Takes options off the front; false when one is unknown or lacks its values. */
static bool take_options (struct request *r, struct words *w) {
  while (w->count > 0 && strncmp (w->word[0], "--", 2) == 0 && w->word[0][2] != 0) {
    int used;
    if (is (w->word[0], "--ids") && w->count >= 3) {
      r->has_ids = true;
      r->ids = (struct shift_maps){ w->word[1], w->word[2] };
      used = 3;
    } else if (is (w->word[0], "--mountpoint") && w->count >= 2 && r->mountpoint_count < MAX_MOUNTPOINTS) {
      r->mountpoints[r->mountpoint_count++] = w->word[1];
      used = 2;
    } else {
      return false;
    }
    w->word += used;
    w->count -= used;
  }
  return true;
}

/* Paths are absolute: mounting an overlay changes the working directory. */
static bool is_tree (const struct words *w) {
  if (w->count < 2)
    return w->count == 1 && is (w->word[0], "nothing");
  for (int i = 1; i < w->count; i++)
    if (w->word[i][0] != '/')
      return false;
  return is (w->word[0], "overlay") || (w->count == 2 && (is (w->word[0], "plain") || is (w->word[0], "upper")));
}

static bool parse (int argc, char **argv, struct request *r) {
  struct words w = { argv + 1, argc - 1 };
  *r = (struct request){ 0 };
  if (!take_options (r, &w))
    return false;
  r->now = w;
  for (int i = 0; i < w.count && !r->has_before; i++)
    if (is (w.word[i], "--")) {
      r->has_before = true;
      r->now.count = i;
      r->before = (struct words){ w.word + i + 1, w.count - i - 1 };
    }
  if (!is_tree (&r->now) || r->has_before == is (argv[0], "export"))
    return false;
  if (!r->has_before)
    return !is (r->now.word[0], "upper");
  return is_tree (&r->before) && !is (r->before.word[0], "upper");
}

static int open_view (const struct words *w, struct err *e) {
  if (is (w->word[0], "nothing"))
    return view_nothing (e);
  if (is (w->word[0], "overlay"))
    return view_overlay ((const char *const *) w->word + 1, (size_t) w->count - 1, e);
  return view_plain (w->word[1], e);
}

static int open_pair (const struct request *r, struct tree_pair *p, struct err *e) {
  *p = (struct tree_pair){
    .before = -1,
    .upper = is (r->now.word[0], "upper"),
    .ids = r->has_ids ? &r->ids : NULL,
    .mountpoints = r->mountpoints,
    .mountpoint_count = r->mountpoint_count,
  };
  if (view_unshare (e) < 0)
    return -1;
  bool has_before = r->has_before && !is (r->before.word[0], "nothing");
  if (has_before && (p->before = open_view (&r->before, e)) < 0)
    return -1;
  p->now = open_view (&r->now, e);
  return p->now < 0 ? -1 : tree_sandbox_reader (p->now, p->upper, e);
}

int tree_read (int argc, char **argv, char *name, struct err *e) {
  struct request r;
  struct tree_pair p;
  struct output o;

  name[0] = 0;
  if (!parse (argc, argv, &r))
    return 1;
  if (output_open (&o, STDOUT_FILENO, e) < 0)
    return -1;
  int result = open_pair (&r, &p, e);
  if (result == 0)
    result = is (argv[0], "export")  ? tree_pack (&p, &o, name, e)
             : is (argv[0], "layer") ? tree_pack_layer (&p, &o, name, e)
                                     : tree_changes (&p, &o, name, e);
  output_close (&o);
  return result;
}
