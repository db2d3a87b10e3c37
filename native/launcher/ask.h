/* The launcher's side of a resident compiler. */
#ifndef GANTRY_ASK_H
#define GANTRY_ASK_H

/* Lets a resident compiler do what this process was started for. Returns the exit code, or -1 when there is none, it does not
   want to, or it ended: then the work has to be done here. May not return, having become the C program. */
int resident_perform (void);

#endif
