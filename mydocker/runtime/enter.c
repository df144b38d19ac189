/* The last step into a container: a program without libc, data or heap, run from a sealed memory file.

   A container must never see the interpreter that prepared it as its own /proc/self/exe (CVE-2019-5736): this program
   stands in between, and it can be read, run and kept open, but not written to.

   argv: NAME PATH ARGV0 ARG...   Descriptor 3 gets the errno of a failed execve as four bytes; it closes on success.
   NAME "enter" becomes PATH. NAME "init" stays as process 1: it starts PATH, passes signals on, collects orphans and
   ends with the status of its child (what tini and catatonit do). */

#if defined(__x86_64__)
enum { WRITE = 1, IOCTL = 16, FCNTL = 72, EXECVE = 59, EXIT = 231, WAIT4 = 61, KILL = 62, SIGPROCMASK = 14,
       SIGTIMEDWAIT = 128, SETPGID = 109, CLOSE = 3, SETSID = 112 };
static long call(long n, long a, long b, long c, long d, long e) {
  long r;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return r;
}
static long fork_(void) { return call(57, 0, 0, 0, 0, 0); }
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call enter\n");
#elif defined(__aarch64__)
enum { WRITE = 64, IOCTL = 29, FCNTL = 25, EXECVE = 221, EXIT = 94, WAIT4 = 260, KILL = 129, SIGPROCMASK = 135,
       SIGTIMEDWAIT = 137, SETPGID = 154, CLOSE = 57, SETSID = 157 };
static long call(long n, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
static long fork_(void) { return call(220, 17 /* SIGCHLD */, 0, 0, 0, 0); }
__asm__(".globl _start\n_start:\n mov x0, sp\n bl enter\n");
#endif

enum { SIGCHLD_ = 17, SIGTTIN_ = 21, SIGTTOU_ = 22, F_SETFD_ = 2, SIG_SETMASK_ = 2, WNOHANG_ = 1, TIOCSPGRP_ = 0x5410 };

static void become(char **argv, char **env) {
  call(FCNTL, 3, F_SETFD_, 1, 0, 0);
  int failed = (int)-call(EXECVE, (long)argv[1], (long)(argv + 2), (long)env, 0, 0);
  call(WRITE, 3, (long)&failed, 4, 0, 0);
  call(EXIT, 127, 0, 0, 0, 0);
}

static void supervise(char **argv, char **env) {
  unsigned long all = ~0ul, before;
  call(SIGPROCMASK, SIG_SETMASK_, (long)&all, (long)&before, 8, 0);
  long child = fork_();
  if (child == 0) {
    /* A process group of its own, in the foreground of the terminal if there is one: ^C reaches the child only. */
    call(SETPGID, 0, 0, 0, 0, 0);
    int group = (int)call(
#if defined(__x86_64__)
        39
#else
        172
#endif
        , 0, 0, 0, 0, 0);
    call(IOCTL, 0, TIOCSPGRP_, (long)&group, 0, 0);
    call(SIGPROCMASK, SIG_SETMASK_, (long)&before, 0, 8, 0);
    become(argv, env);
  }
  /* The terminal, too, belongs to the child; descriptor 3 tells the starter that exec succeeded, so it has to go. */
  call(CLOSE, 3, 0, 0, 0, 0);
  for (;;) {
    long number = call(SIGTIMEDWAIT, (long)&all, 0, 0, 8, 0);
    if (number == SIGCHLD_) {
      for (;;) {
        int status;
        long ended = call(WAIT4, -1, (long)&status, WNOHANG_, 0, 0);
        if (ended <= 0) break;
        if (ended == child) call(EXIT, status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff, 0, 0, 0, 0);
      }
    } else if (number > 0 && number != SIGTTIN_ && number != SIGTTOU_) {
      call(KILL, child, number, 0, 0, 0);
    }
  }
}

void enter(long *stack) {
  long argc = stack[0];
  char **argv = (char **)(stack + 1);
  char **env = argv + argc + 1;
  if (argv[0][0] == 'i') supervise(argv, env);
  if (argv[0][0] == 'e') become(argv, env);
  /* Called by another name: a script of the container names /proc/self/exe as its interpreter. Going on would go round. */
  call(EXIT, 126, 0, 0, 0, 0);
}
