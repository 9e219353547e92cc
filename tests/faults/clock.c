/* Step the wall clock of the processes in which this library is preloaded, by as much as the file CLOCK_OFFSET says.
 *
 * As after a step that an operator or NTP makes, the monotonic clocks go on as before, and whoever waits until a wall
 * clock time waits for it on the stepped clock. The file holds one 64-bit number, nanoseconds, and may change at any
 * moment. (libfaketime leaves futexes and condition variables waiting until the machine's own time: Flink stands still.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define WALL 500000000LL /* seconds; no machine runs for so long, so a later time is one of the wall clock */

static const volatile int64_t *shared;
static int (*plain_gettime)(clockid_t, struct timespec *);
static int (*plain_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*plain_sem_timedwait)(sem_t *, const struct timespec *);
static long (*plain_syscall)(long, ...);

__attribute__((constructor)) static void begin(void) {
  plain_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  plain_cond_timedwait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2"); /* the older one is another */
  if (!plain_cond_timedwait) plain_cond_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  plain_sem_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
  plain_syscall = dlsym(RTLD_NEXT, "syscall");
  const char *path = getenv("CLOCK_OFFSET");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) shared = page;
}

static int64_t offset(void) { return shared ? *shared : 0; }

static void shift(struct timespec *at, int64_t by) {
  int64_t sum = at->tv_sec * SECOND + at->tv_nsec + by;
  at->tv_sec = sum / SECOND;
  at->tv_nsec = sum % SECOND;
}

/* The machine's time at which a time of the stepped clock comes. */
static const struct timespec *real(const struct timespec *until, struct timespec *room) {
  if (!until || until->tv_sec < WALL) return until;
  *room = *until;
  shift(room, -offset());
  return room;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  if (!plain_gettime) begin(); /* constructors of other libraries look at the clock as well */
  int failed = plain_gettime(clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(now, offset());
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec precise;
  int failed = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return failed;
}

time_t time(time_t *now) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (now) *now = precise.tv_sec;
  return precise.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict met, pthread_mutex_t *restrict lock,
                           const struct timespec *restrict until) {
  struct timespec room;
  if (!plain_cond_timedwait) begin();
  return plain_cond_timedwait(met, lock, real(until, &room));
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  struct timespec room;
  if (!plain_sem_timedwait) begin();
  return plain_sem_timedwait(semaphore, real(until, &room));
}

/* Abseil, and so gRPC, waits by bare futexes. */
long syscall(long number, ...) {
  long a[6];
  struct timespec room;
  va_list rest;
  va_start(rest, number);
  for (int k = 0; k < 6; k++) a[k] = va_arg(rest, long);
  va_end(rest);
  if (!plain_syscall) begin();
  if (number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME)) a[3] = (long)real((const struct timespec *)a[3], &room);
  return plain_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
