/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "control/notify.h"

#define STATUS_MAX 200
#define BARRIER_US 1000000

void notify_init(struct notify *n)
{
	uint64_t usec = 0;

	n->next_us = 0;
	n->every_us = sd_watchdog_enabled(0, &usec) > 0 ? usec / 3 : 0;
}

/* Whether somebody hears it is nothing that we could act on. */
static void tell(const char *state, const char *fmt, va_list ap)
{
	char status[STATUS_MAX];

	vsnprintf(status, sizeof(status), fmt, ap);
	sd_notifyf(0, "%sMAINPID=%ld\nSTATUS=%s", state, (long)getpid(), status);
}

void notify_ready(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell("READY=1\n", fmt, ap);
	va_end(ap);
}

void notify_status(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell("", fmt, ap);
	va_end(ap);
}

void notify_stopping(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell("STOPPING=1\n", fmt, ap);
	va_end(ap);
}

void notify_heard(void)
{
	sd_notify_barrier(0, BARRIER_US);
}

void notify_reloading(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
}

void notify_alive(struct notify *n, bool alive, uint64_t now_us)
{
	if (!n->every_us || !alive || now_us < n->next_us)
		return;
	n->next_us = now_us + n->every_us;
	sd_notify(0, "WATCHDOG=1");
}
