/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The subcommands' end of the control socket. Functions that fail have said why
 * on stderr, in a line that begins with the subcommand's name.
 */
#ifndef WEIR_CLI_CTLCLIENT_H
#define WEIR_CLI_CTLCLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Which instance, and how to print: the options all these subcommands have. */
struct ctl_target {
	const char *iface;
	const char *ctl;
	bool json;
	bool quiet; /* failures are not printed: the screen is somebody's */
};

struct ctlclient {
	const char *cmd; /* for messages */
	bool quiet;
	int fd;
	int timeout_ms; /* for a reply; 0: ten seconds */
	char *buf;	/* received, not yet taken */
	size_t at, len, cap;
};

/* 0, or the exit status: 1 none is running, 2 there is a choice to make. */
int ctlclient_open(struct ctlclient *cc, const char *cmd, const struct ctl_target *t);
void ctlclient_close(struct ctlclient *cc);

/* Sends a request and takes the reference. 0 or -errno. */
int ctlclient_send(struct ctlclient *cc, json_t *req);

/*
 * Waits up to timeout_ms (-1: for ever) for a line, given without its newline and
 * valid until the next call. 1, 0 at the time-out or a signal, -EPIPE when weir
 * has closed the socket (not reported), -errno.
 */
int ctlclient_line(struct ctlclient *cc, char **line, size_t *len, int timeout_ms);

/* Bytes as they come, at least one: for replies too long to be kept. 0 or -errno. */
int ctlclient_bytes(struct ctlclient *cc, const char **data, size_t *len);

/* The error text of a reply object, NULL when it is none. */
const char *ctl_error_of(const json_t *reply);

/*
 * One request, one reply. With `raw` the text is printed on stdout instead of
 * parsed. NULL when it failed or was printed: *status is the exit status.
 */
json_t *ctlclient_call(struct ctlclient *cc, json_t *req, bool raw, int *status);

/* The same to an instance that is asked nothing else. */
json_t *ctlclient_ask(const char *cmd, const struct ctl_target *t, json_t *req, int *status);

/* Colours only for people: a terminal, and NO_COLOR not set. */
bool ctl_colors(void);

#endif
