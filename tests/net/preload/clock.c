/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into weir: a clock of its own (CLOCK_REALTIME, time()), so that a test can set
 * it without the machine's.
 *
 *     TEST_CLOCK=file   two int64, which may change at any time: what it shows (ms since 1970)
 *                       at a moment of CLOCK_MONOTONIC (ms)
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shown; /* time, moment */
static int (*real_clock_gettime)(clockid_t, struct timespec *);

/* Not a constructor: those of other libraries may come first, and ask for the time. */
static void start(void)
{
	const char *path = getenv("TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p;

	real_clock_gettime =
		(int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (fd < 0)
		return;
	p = mmap(NULL, 2 * sizeof(*shown), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		shown = p;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	struct timespec mono;
	int64_t ns;

	if (!real_clock_gettime)
		start();
	if (id != CLOCK_REALTIME || !shown)
		return real_clock_gettime(id, ts);
	real_clock_gettime(CLOCK_MONOTONIC, &mono);
	ns = (mono.tv_sec * 1000 - shown[1]) * 1000000 + mono.tv_nsec;
	ns += shown[0] * 1000000;
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
