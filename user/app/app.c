// SPDX-License-Identifier: BSD-2-Clause
/* Specs to tables and arguments. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/app_arg.h"

static const struct weir_app *const apps[] = {
	&weir_app_echo,
	&weir_app_discard,
	&weir_app_http,
	&weir_app_sized,
};

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
}

const struct weir_app *weir_app_find(const char *spec)
{
	size_t len = strcspn(spec, ":");

	for (size_t i = 0; i < sizeof(apps) / sizeof(apps[0]); i++)
		if (strlen(apps[i]->name) == len && !memcmp(apps[i]->name, spec, len))
			return apps[i];
	return NULL;
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
	*fd = open(dir + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
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
		snprintf(err, errlen, "unknown service '%s': echo, discard, sized or http:DIR",
			 spec);
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
	r = open_dir(app, spec, &a->dirfd, err, errlen);
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

void weir_app_arg_free(void *arg)
{
	struct weir_app_arg *a = arg;

	if (!a)
		return;
	if (a->dirfd >= 0)
		close(a->dirfd);
	free(a);
}
