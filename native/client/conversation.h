#ifndef GANTRY_CLIENT_CONVERSATION_H
#define GANTRY_CLIENT_CONVERSATION_H

/* What has to be done by a program of the caller's own, and why. */
enum { CLIENT_ALONE = -1, CLIENT_NOBODY = -2 };

/* Has a resident client at `path` carry out what this process was started with, and does what that says. The exit status, or one
 * of the above: nothing has been done then. */
int client_converse (const char *path);

#endif
