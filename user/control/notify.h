/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the service manager is told, by sd_notify(3): when we are ready, reloading, stopping,
 * how things are, and, for its watchdog, that we live. Without one ($NOTIFY_SOCKET unset)
 * nothing is done.
 *
 * The watchdog is fed by the main loop and only while the workers' hearts beat: a weir whose
 * main loop runs while no worker does serves nobody.
 */
#ifndef WEIR_CONTROL_NOTIFY_H
#define WEIR_CONTROL_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
	uint64_t every_us; /* between two signs of life; 0: nobody watches */
	uint64_t next_us;
};

/* Reads what the manager wants. */
void notify_init(struct notify *n);

/*
 * Waits, for a moment at most, until the manager has taken in what it was told: before the one
 * it took for the main process ends.
 */
void notify_heard(void);

/* These take a line for `systemctl status`. */
void notify_ready(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void notify_stopping(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Until notify_ready() comes again. */
void notify_reloading(void);

/* CLOCK_MONOTONIC; call it several times a second. */
void notify_alive(struct notify *n, bool alive, uint64_t now_us);

#endif
