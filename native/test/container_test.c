/* Real containers: what a process finds when the plan has been performed. Needs root and busybox-static. */
#include "sandbox.h"

/* ---- root and mounts ---- */

TEST ("an overlay root shows the image and keeps writes in the upper directory") {
  struct builder b;
  NEEDS_SANDBOX ();

  begin_plan (&b, CLONE_NEWNS | CLONE_NEWPID, 0);
  put_root (&b);
  put_pivot (&b, false);
  put_command (&b, "head -1 /etc/passwd; echo x > /made; pwd; ls /");
  CHECK_RUN (run_plan (&b), "root:x:0:0:root:/root:/bin/sh\n/\nbin\ndev\netc\nmade\nproc\nroot\nsys\ntmp\n");
  CHECK_TEXT (read_text (BOX ("upper/made")), "x\n");
  CHECK (access (BOX ("lower/made"), F_OK) < 0);
}

int main (int argc, char **argv) {
  open_sandbox ();
  int result = run_tests (argc, argv);
  close_sandbox ();
  return result;
}
