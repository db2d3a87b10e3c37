/* Look-ups in a container's etc/passwd and etc/group: hostile files. They are read as a stream, must be regular and at
 * most 10 MiB; a missing one is like an empty one. A row whose numbers are not plain decimal numbers below 2^32-1 is no
 * row. */
#ifndef GANTRY_ACCOUNTS_H
#define GANTRY_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fields.h"

struct err;

#define ACCOUNT_NAME_MAX 256
#define ACCOUNT_HOME_MAX 4096
#define ACCOUNT_MAX_GROUPS 65536u /* NGROUPS_MAX */

struct account {
  bool found;
  uint32_t uid, gid;
  char name[ACCOUNT_NAME_MAX]; /* "" when it is longer */
  char home[ACCOUNT_HOME_MAX];
};

/* The first row with that name, or with that uid when `name` is NULL. */
int accounts_find_user (int root, const char *name, uint32_t uid, struct account *out, struct err *e);

struct group_search {
  const char *member;  /* collect the groups that list this user; NULL: none */
  const char *name;    /* find this one; NULL: none */
  struct strings more; /* find these: numbers stand for themselves, names must be there */
  bool found;          /* `name` was found: */
  uint32_t gid;
  gid_t *groups; /* result, malloc()ed: whatever is in it on entry stays, `member` and `more` are added */
  uint32_t count;
};

int accounts_find_groups (int root, struct group_search *search, struct err *e);

int group_search_add (struct group_search *search, gid_t gid, struct err *e);

/* A decimal number below 2^32-1 and nothing else. */
bool account_number (const char *text, uint32_t *out);

#endif
