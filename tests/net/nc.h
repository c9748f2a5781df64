/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netclient: the kernel's TCP as the peer of a server under test.
 *
 * One subcommand a file. Each opens non-blocking kernel sockets, drives them with
 * one epoll loop, checks every byte it gets and prints one JSON object. Nothing
 * runs longer than --time.
 */
#ifndef WEIR_TESTS_NC_H
#define WEIR_TESTS_NC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define NC_MAX_SRCS 256

union nc_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct nc_options {
	union nc_addr to;
	union nc_addr src[NC_MAX_SRCS];
	unsigned nsrc;
	unsigned conns;	      /* connections in all */
	unsigned concurrency; /* of those at once, or still connecting */
	uint64_t requests;    /* 0: until `seconds` have passed */
	unsigned keepalive;   /* requests per connection */
	unsigned seconds;
	unsigned time;	   /* the limit of the whole run */
	unsigned limit_ms; /* a request is done within this or failed */
	unsigned interval_ms;
	unsigned hold; /* seconds to wait for the word to go on */
	uint64_t bytes;
	uint64_t rate; /* bytes per second, 0: as fast as it goes */
	uint64_t seed;
	uint64_t stall_after;
	unsigned stall; /* seconds */
	int rcvbuf;
	const char *path;
	const char *host;
	bool discard; /* the server sends nothing back */
	bool server_close;
	bool reset;	     /* close with RST */
	const uint8_t *body; /* what a fetch must return */
	uint64_t body_len;
};

/* How connections ended, other than well. */
struct nc_errors {
	uint64_t refused, reset, timeout, wrong, early, other;
};

/* ---- nc_util.c --------------------------------------------------------- */

uint64_t nc_now_us(void);
int nc_parse_addr(const char *host, const char *port, union nc_addr *out);
/* "10.0.0.1,10.0.0.9" or "10.0.0.1+20" (20 addresses from there on). */
int nc_parse_sources(const char *text, struct nc_options *o);
/* A connecting non-blocking socket, source address by `index`; -errno. */
int nc_connect(const struct nc_options *o, unsigned index);
int nc_socket_error(int fd); /* SO_ERROR */
void nc_linger0(int fd);
void nc_count_error(struct nc_errors *e, int err);
uint64_t nc_errors_total(const struct nc_errors *e);
void nc_print_errors(const struct nc_errors *e);
/* Raises RLIMIT_NOFILE to what `n` connections need. 0 or -errno. */
int nc_need_files(unsigned n);
/* Bytes `off`.. of the endless pattern `seed`; any split gives the same bytes. */
void nc_pattern(uint64_t seed, uint64_t off, uint8_t *buf, size_t n);
uint64_t nc_random(uint64_t *state);

/* Samples in microseconds, for percentiles. */
struct nc_samples {
	uint32_t *v;
	size_t n, cap;
};
int nc_sample(struct nc_samples *s, uint64_t us);
void nc_print_samples(const char *name, struct nc_samples *s); /* sorts */

/* ---- subcommands: 0 all well, 1 something failed, 2 could not run -------- */

int nc_echo(const struct nc_options *o);
int nc_fetch(const struct nc_options *o);
int nc_hold(const struct nc_options *o);
int nc_slowread(const struct nc_options *o);
int nc_rstmid(const struct nc_options *o);
int nc_idle(const struct nc_options *o);
int nc_dribble(const struct nc_options *o);
int nc_zerowin(const struct nc_options *o);
int nc_halfopen(const struct nc_options *o);

#endif
