// A wall clock that is set while the program runs: FAULTY_CLOCK names a file of eight bytes, the seconds to add to the
// real time. CLOCK_MONOTONIC goes on undisturbed, as it does on a machine whose clock is set.

#define _GNU_SOURCE
#include "faulty.h"

#include <stdlib.h>  // says whether this is glibc

#if defined(__GLIBC__)
#include "shared.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void map_offset(void) { offset = faulty_map_number("FAULTY_CLOCK"); }

static int64_t seconds_added(void) { return offset == NULL ? 0 : *offset; }

// The kernel is asked directly: the memory allocator of a program may ask for the time before anything is set up, and
// looking up the next clock_gettime would allocate.
int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) time->tv_sec += seconds_added();
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    int result = (int)syscall(SYS_gettimeofday, time, zone);
    if (result == 0) time->tv_sec += seconds_added();
    return result;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result != NULL) *result = now.tv_sec;
    return now.tv_sec;
}

// A deadline that was reckoned from the clock above means nothing to the kernel, whose clock was not set. A deadline of
// more than a thousand million seconds is one of the wall clock (2001 and later), a smaller one counts from the start of
// the machine.
int pthread_cond_timedwait(
    pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex, const struct timespec *restrict deadline) {
    static int (*next)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (next == NULL) next = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec real = *deadline;
    if (real.tv_sec > 1000000000) real.tv_sec -= seconds_added();
    return next(condition, mutex, &real);
}
#endif
