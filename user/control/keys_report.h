/* SPDX-License-Identifier: BSD-2-Clause */
/* What may be said of keys: everything but their secrets. */
#ifndef WEIR_CONTROL_KEYS_REPORT_H
#define WEIR_CONTROL_KEYS_REPORT_H

#include <stdint.h>

#include "control/keys.h"

struct keys_report {
	uint64_t fingerprint; /* of the file */
	uint64_t wall_ms;     /* what the states are of */
	uint32_t mtu;
	uint8_t wscale;
	unsigned n;
	struct keys_report_row {
		uint32_t id;
		uint64_t fingerprint;
		enum key_state state;
		int64_t accept_from, issue_from, retire_at;
	} key[KEYS_MAX];
	unsigned issuing;   /* index */
	uint64_t switch_ms; /* when the next one issues: its first epoch's beginning; 0: none */
};
void keys_report(struct keys_report *r, const struct key_set *s, uint64_t wall_ms);

/* Of a running weir. Strings are valid until the next call. */
struct keys_status {
	const char *iface;
	const char *path;   /* NULL: random keys, of which nothing more is to be said */
	uint64_t rotate_ms; /* random keys: how often; 0: never */
	const char *watch;  /* "inotify", "polling" */
	const char *error;  /* of the last look at the file; NULL: none */
	int64_t loaded_at;
	struct keys_report report;
};

#endif
