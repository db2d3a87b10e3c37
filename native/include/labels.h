/* What settings.c needs of labels.c. */
#ifndef GANTRY_LABELS_H
#define GANTRY_LABELS_H

struct err;
struct init;

/* When the plan has a SELinux LABEL: keys made from now on, until execve, have it, too. */
int label_keys (struct init *in, struct err *e);

#endif
