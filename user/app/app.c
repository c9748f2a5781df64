// SPDX-License-Identifier: BSD-2-Clause
/* Specs to tables and arguments. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/app.h"
#include "app/app_arg.h"

static const struct weir_app *const apps[] = {
	&weir_app_echo,
	&weir_app_discard,
	&weir_app_http,
	&weir_app_sized,
};

#define KINDS_MAX 4

static const struct weir_app_kind *kinds[KINDS_MAX];
static unsigned nkinds;

static const struct weir_app_limits defaults = {
	.header_ms = 10000,
	.idle_ms = 30000,
	.stream_idle_ms = 300000,
	.stall_ms = 120000,
	.linger_ms = 2000,
};

static uint64_t counts[WEIR_C_MAX];

void weir_app_limits_default(struct weir_app_limits *l)
{
	*l = defaults;
}

const struct weir_app_limits *weir_app_limits_of(struct weir_conn *c)
{
	const struct weir_app_arg *arg = weir_conn_arg(c);

	return arg ? &arg->limits : &defaults;
}

void weir_app_count(enum weir_counter which)
{
	__atomic_fetch_add(&counts[which], 1, __ATOMIC_RELAXED);
}

void weir_app_counters(uint64_t *v)
{
	for (size_t i = 0; i < WEIR_C_MAX; i++)
		v[i] += __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
	for (unsigned i = 0; i < nkinds; i++)
		if (kinds[i]->counters)
			kinds[i]->counters(v);
}

void weir_app_add(const struct weir_app_kind *kind)
{
	for (unsigned i = 0; i < nkinds; i++)
		if (kinds[i] == kind)
			return;
	if (nkinds < KINDS_MAX)
		kinds[nkinds++] = kind;
}

const char *weir_app_usage(void)
{
	static char text[160];
	size_t n = (size_t)snprintf(text, sizeof(text), "echo, discard, sized, http:DIR");

	for (unsigned i = 0; i < nkinds && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ", %s", kinds[i]->usage);
	return text;
}

static bool named(const struct weir_app *app, const char *spec)
{
	size_t len = strcspn(spec, ":");

	return strlen(app->name) == len && !memcmp(app->name, spec, len);
}

static const struct weir_app_kind *find_kind(const char *spec)
{
	for (unsigned i = 0; i < nkinds; i++)
		if (named(kinds[i]->app, spec))
			return kinds[i];
	return NULL;
}

const struct weir_app *weir_app_find(const char *spec)
{
	const struct weir_app_kind *kind = find_kind(spec);

	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (named(apps[i], spec))
			return apps[i];
	return kind ? kind->app : NULL;
}

void weir_app_ignore(struct weir_conn *c)
{
	(void)c;
}

void weir_app_ignore_close(struct weir_conn *c, int reason)
{
	(void)c;
	(void)reason;
}

static time_t wall_clock(void)
{
	return time(NULL);
}

static int kind_arg(struct weir_app_arg *a, const char *spec, char *err, size_t errlen)
{
	const char *text = strchr(spec, ':');

	if (!a->kind->arg)
		return 0;
	return a->kind->arg(text ? text + 1 : "", &a->own, err, errlen);
}

/* O_PATH alone asks for no right to what is in it, of which each request would hear. */
static int open_served(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), inside, e;

	if (fd < 0)
		return -1;
	inside = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	e = errno;
	close(fd);
	errno = e;
	return inside;
}

/* Opens the directory of "http:DIR", and checks that other specs stand alone. */
static int open_dir(const struct weir_app *app, const char *spec, int *fd, char *err, size_t errlen)
{
	const char *dir = strchr(spec, ':');
	int e;

	if (app != &weir_app_http) {
		if (!dir)
			return 0;
		snprintf(err, errlen, "service '%s' takes no argument", app->name);
		return -EINVAL;
	}
	if (!dir || !dir[1]) {
		snprintf(err, errlen, "service 'http' needs a directory: http:DIR");
		return -EINVAL;
	}
	*fd = open_served(dir + 1);
	if (*fd >= 0)
		return 0;
	e = errno;
	snprintf(err, errlen, "cannot serve directory '%s': %s", dir + 1, strerror(e));
	return -e;
}

int weir_app_arg(const char *spec, void **arg, char *err, size_t errlen)
{
	const struct weir_app *app = weir_app_find(spec);
	struct weir_app_arg *a;
	int r;

	if (!app) {
		snprintf(err, errlen, "unknown service '%s': there are %s", spec, weir_app_usage());
		return -EINVAL;
	}
	a = calloc(1, sizeof(*a));
	if (!a) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	a->limits = defaults;
	a->clock = wall_clock;
	a->dirfd = -1;
	a->kind = find_kind(spec);
	r = a->kind ? kind_arg(a, spec, err, errlen) : open_dir(app, spec, &a->dirfd, err, errlen);
	if (r) {
		free(a);
		return r;
	}
	*arg = a;
	return 0;
}

void weir_app_set_limits(void *arg, const struct weir_app_limits *l)
{
	struct weir_app_arg *a = arg;

	a->limits = *l;
}

/* Each by itself: a worker may read one new and one old, never half of one. */
void weir_app_take_limits(void *arg, const void *from)
{
	struct weir_app_limits *to = &((struct weir_app_arg *)arg)->limits;
	const struct weir_app_limits *l = &((const struct weir_app_arg *)from)->limits;

	__atomic_store_n(&to->header_ms, l->header_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&to->idle_ms, l->idle_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&to->stream_idle_ms, l->stream_idle_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&to->stall_ms, l->stall_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&to->linger_ms, l->linger_ms, __ATOMIC_RELAXED);
}

bool weir_app_same(const void *a, const void *b)
{
	int x = ((const struct weir_app_arg *)a)->dirfd,
	    y = ((const struct weir_app_arg *)b)->dirfd;
	struct stat s, t;

	if (x < 0 || y < 0)
		return x < 0 && y < 0;
	return !fstat(x, &s) && !fstat(y, &t) && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

size_t weir_app_state_max(void)
{
	size_t max = 0;

	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (apps[i]->conn_size > max)
			max = apps[i]->conn_size;
	for (unsigned i = 0; i < nkinds; i++)
		if (kinds[i]->app->conn_size > max)
			max = kinds[i]->app->conn_size;
	return max;
}

void weir_app_arg_free(void *arg)
{
	struct weir_app_arg *a = arg;

	if (!a)
		return;
	if (a->kind && a->kind->arg_free)
		a->kind->arg_free(a->own);
	if (a->dirfd >= 0)
		close(a->dirfd);
	free(a);
}

void *weir_app_own(const void *arg)
{
	return arg ? ((const struct weir_app_arg *)arg)->own : NULL;
}

const struct weir_app_kind *weir_app_kind_of(const void *arg)
{
	return arg ? ((const struct weir_app_arg *)arg)->kind : NULL;
}

int weir_app_start(void *arg, weir_app_log_fn log, char *err, size_t errlen)
{
	const struct weir_app_arg *a = arg;

	if (!a || !a->kind || !a->kind->start)
		return 0;
	return a->kind->start(a->own, log, err, errlen);
}

void weir_app_step(void *arg, uint64_t now_us)
{
	const struct weir_app_arg *a = arg;

	if (a && a->kind && a->kind->step)
		a->kind->step(a->own, now_us);
}

int weir_app_update(void *arg, const void *from, char *err, size_t errlen)
{
	const struct weir_app_arg *a = arg, *b = from;

	if (a->kind && a->kind == b->kind && a->kind->update)
		return a->kind->update(a->own, b->own, err, errlen);
	snprintf(err, errlen, "this takes a restart");
	return -EOPNOTSUPP;
}
