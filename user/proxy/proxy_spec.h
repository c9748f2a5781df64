/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a proxy service is told: its backends and how to use them. From the text that stands
 * after "proxy:" in a service,
 *
 *     BACKEND[,BACKEND...][,OPTION=VALUE...]
 *     127.0.0.1:8080,[::1]:8080*3,unix:/run/app.sock,balance=hash,check=http:/health
 *
 * or field by field from a configuration file. BACKEND is ADDR:PORT, [V6]:PORT, unix:/PATH or
 * unix:@ABSTRACT, with *WEIGHT behind it when it is to get more than its even share. Names are
 * not resolved: what a resolver says may change, and it may not answer.
 *
 * Plain data, without pointers: copied by assignment, nothing to free.
 */
#ifndef WEIR_PROXY_PROXY_SPEC_H
#define WEIR_PROXY_PROXY_SPEC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PROXY_MAX_BACKENDS 32
#define PROXY_MAX_WEIGHT   100
#define PROXY_NAME_LEN	   120
#define PROXY_PATH_LEN	   128

enum proxy_balance {
	PROXY_RR,    /* in turn */
	PROXY_LEAST, /* to the one with the fewest connections, by weight */
	PROXY_HASH,  /* by the client's address: the same client, the same backend */
};

/* What precedes the client's bytes on a backend's connection. */
enum proxy_protocol { PROXY_PROTOCOL_NONE, PROXY_PROTOCOL_V2 };

/* What a client gets when no backend could be connected to. */
enum proxy_on_failure {
	PROXY_FAIL_RESET, /* RST */
	PROXY_FAIL_CLOSE, /* the end of the stream, in order */
};

enum proxy_check { PROXY_CHECK_NONE, PROXY_CHECK_TCP, PROXY_CHECK_HTTP };

/* What a pick does when every backend is down. */
enum proxy_all_down {
	PROXY_ALL_DOWN_TRY,   /* as if all were up: a wrong check must not end the service */
	PROXY_ALL_DOWN_REFUSE /* none: the client gets on_failure at once */
};

struct proxy_backend {
	struct sockaddr_storage addr;
	socklen_t addrlen;
	unsigned weight;	   /* 1..PROXY_MAX_WEIGHT */
	char name[PROXY_NAME_LEN]; /* "127.0.0.1:8080", "[::1]:80", "unix:/run/app.sock" */
};

struct proxy_config {
	struct proxy_backend backend[PROXY_MAX_BACKENDS];
	unsigned nbackends;

	enum proxy_balance balance;
	enum proxy_protocol protocol;
	enum proxy_on_failure on_failure;
	enum proxy_all_down all_down;
	uint64_t connect_timeout_ms; /* of one attempt */
	uint64_t idle_timeout_ms;    /* without a byte either way; 0: none */
	unsigned retries; /* further attempts for a connection, each at another backend */

	enum proxy_check check;
	char check_path[PROXY_PATH_LEN]; /* http: what is asked for; 2xx and 3xx are well */
	uint64_t check_interval_ms;
	uint64_t check_timeout_ms;
	unsigned check_rise; /* so many good checks in a row: up */
	unsigned check_fall; /* so many bad ones: down */

	unsigned eject_failures; /* so many failed connects in a row eject; 0: never */
	uint64_t eject_ms;	 /* for so long, twice as long each time that follows, */
	uint64_t eject_max_ms;	 /* but no longer than this */
};

/* No backend yet; every option at its default. */
void proxy_config_default(struct proxy_config *c);

/*
 * Sets *c by a spec's text, or, for a configuration file, a backend or an option of *c, and
 * in the end what they must be together. 0 or -EINVAL (-E2BIG: too many backends) with a line
 * for the operator in `err` that has the word that is wrong. On failure *c is as it was.
 */
int proxy_config_parse(struct proxy_config *c, const char *text, char *err, size_t errlen);
int proxy_config_backend(struct proxy_config *c, const char *text, char *err, size_t errlen);
int proxy_config_set(struct proxy_config *c, const char *option, const char *value, char *err,
		     size_t errlen);
int proxy_config_check(const struct proxy_config *c, char *err, size_t errlen);

/* The options in the order of the documentation; NULL past the last. */
struct proxy_option_doc {
	const char *name, *value, *help;
};
const struct proxy_option_doc *proxy_option_doc(unsigned i);

/* The value of option i of proxy_option_doc() as one would write it. */
void proxy_config_get(const struct proxy_config *c, unsigned i, char *buf, size_t len);

#endif
