/* Preloaded, it moves the wall clock of one process, as a step of the machine's clock does. The monotonic clock stays.
 *
 * CLOCK_OFFSET names a file of eight bytes: nanoseconds to add, in the machine's byte order. It is looked at each time.
 * Waits until an instant of the wall clock are moved along with it; those that are under way at a step end as if there
 * had been none, where the kernel's would end early or late by as much.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static const volatile int64_t *offset;
static int (*wait_until)(cnd_t *, mtx_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void)
{
    int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
    void *page = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (file < 0 || page == MAP_FAILED)
        abort();
    offset = page;
    wait_until = (int (*)(cnd_t *, mtx_t *, const struct timespec *))dlsym(RTLD_NEXT, "cnd_timedwait");
}

static struct timespec moved(struct timespec at, int64_t by)
{
    int64_t whole = (int64_t)at.tv_sec * SECOND + at.tv_nsec + by;
    return (struct timespec){.tv_sec = whole / SECOND, .tv_nsec = whole % SECOND};
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        *now = moved(*now, *offset);
    return failed;
}

int timespec_get(struct timespec *now, int base)
{
    return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, now) ? base : 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec at;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &at);
    *now = (struct timeval){.tv_sec = at.tv_sec, .tv_usec = at.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *found)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    if (found)
        *found = at.tv_sec;
    return at.tv_sec;
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
    struct timespec real = moved(*until, -*offset);
    return wait_until(condition, mutex, &real);
}
