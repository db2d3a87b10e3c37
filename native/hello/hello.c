/* The program of the built-in hello image: static, without a C library, so that the image is one small file. */
#include <stddef.h>

#if defined __x86_64__
enum { NR_WRITE = 1, NR_EXIT_GROUP = 231 };

static long call (long number, long a, long b, long c) {
  long result;
  __asm__ volatile ("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}
#elif defined __aarch64__
enum { NR_WRITE = 64, NR_EXIT_GROUP = 94 };

static long call (long number, long a, long b, long c) {
  register long x8 __asm__ ("x8") = number;
  register long x0 __asm__ ("x0") = a;
  register long x1 __asm__ ("x1") = b;
  register long x2 __asm__ ("x2") = c;
  __asm__ volatile ("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}
#elif defined __riscv
enum { NR_WRITE = 64, NR_EXIT_GROUP = 94 };

static long call (long number, long a, long b, long c) {
  register long a7 __asm__ ("a7") = number;
  register long a0 __asm__ ("a0") = a;
  register long a1 __asm__ ("a1") = b;
  register long a2 __asm__ ("a2") = c;
  __asm__ volatile ("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2) : "memory");
  return a0;
}
#else
#error "how does this architecture make system calls?"
#endif

static const char greeting[] =
  "\n"
  "Hello from Gantry: this text was printed inside a container, so the whole chain works.\n"
  "\n"
  "What happened between your command and these lines:\n"
  " 1. The client read your command and sent it to the Gantry daemon over its socket.\n"
  " 2. The daemon looked for the image. This one is built in, so nothing was downloaded.\n"
  " 3. It made a container of it: a writable layer on top of the image, a network, and a\n"
  "    plan of every step the kernel has to perform.\n"
  " 4. A small supervisor, one for this container alone, carried out the plan and started\n"
  "    the program that you are reading now. It has its own view of files and processes.\n"
  " 5. The supervisor stored each line in the container's log, and the daemon passed it on\n"
  "    to the client, which wrote it to your terminal.\n"
  "\n"
  "Look at what is left of it:   gantry ps -a     and     gantry logs CONTAINER\n"
  "\n";

__attribute__ ((noreturn, used)) void _start (void);

void _start (void) {
  size_t at = 0, end = sizeof greeting - 1;
  int status = 0;
  while (at < end && status == 0) {
    long n = call (NR_WRITE, 1, (long) (greeting + at), (long) (end - at));
    if (n > 0)
      at += (size_t) n;
    else if (n != -4) /* EINTR */
      status = 1;
  }
  for (;;)
    call (NR_EXIT_GROUP, status, 0, 0);
}
