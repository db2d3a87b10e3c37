/*
 * project FILE DIRECTORY: gives FILE to project 0, and takes from DIRECTORY that new files get its project. Each way that there
 * is, a line: its name and the error's number, 0 = done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef FS_PROJINHERIT_FL
#define FS_PROJINHERIT_FL 0x20000000
#endif
/* Linux 6.17; the same number on all architectures. */
#define FILE_SETATTR 469

static void tell (const char *name, long result) {
  printf ("%s %d\n", name, result < 0 ? errno : 0);
}

int main (int argc, char **argv) {
  struct fsxattr attributes;
  unsigned int flags = 0;
  if (argc != 3) return 2;
  int file = open (argv[1], O_RDONLY);
  int directory = open (argv[2], O_RDONLY | O_DIRECTORY);
  if (file < 0 || directory < 0) {
    perror ("open");
    return 1;
  }

  tell ("get", ioctl (file, FS_IOC_FSGETXATTR, &attributes));
  attributes.fsx_projid = 0;
  tell ("set", ioctl (file, FS_IOC_FSSETXATTR, &attributes));
  /* The kernel does not look at the upper half. */
  tell ("set with high bits",
        syscall (SYS_ioctl, (long) file, (1L << 32) | (unsigned long) FS_IOC_FSSETXATTR, &attributes));
  tell ("file_setattr", syscall (FILE_SETATTR, file, "", &attributes, sizeof attributes, 0x1000 /* AT_EMPTY_PATH */));

  tell ("get flags", ioctl (directory, FS_IOC_GETFLAGS, &flags));
  flags &= ~(unsigned int) FS_PROJINHERIT_FL;
  tell ("set flags", ioctl (directory, FS_IOC_SETFLAGS, &flags));
  return 0;
}
