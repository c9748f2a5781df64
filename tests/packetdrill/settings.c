/* SPDX-License-Identifier: BSD-2-Clause */
#include "settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000

enum kind { BYTES32, MS64, SMALL };

#define TCP(member) offsetof(struct tcp_config, member)

static const struct number {
	const char *name;
	enum kind kind;
	size_t at;
	unsigned long min, max;
} numbers[] = {
	{"rcvbuf", BYTES32, TCP(rcvbuf), 1, 1 << 30},
	{"sndbuf", BYTES32, TCP(sndbuf), 1, 1 << 30},
	{"rcvmax", BYTES32, TCP(rcvbuf_max), 1, 1 << 30},
	{"sndmax", BYTES32, TCP(sndbuf_max), 1, 1 << 30},
	{"msl", MS64, TCP(msl_us), 1, UINT_MAX},
	{"rto_min", MS64, TCP(rto_min_us), 1, UINT_MAX},
	{"rto_initial", MS64, TCP(rto_initial_us), 1, UINT_MAX},
	{"rto_max", MS64, TCP(rto_max_us), 1, UINT_MAX},
	{"delack", MS64, TCP(delack_us), 0, 500},
	{"persist", MS64, TCP(persist_limit_us), 0, UINT_MAX},
	{"user_timeout", MS64, TCP(user_timeout_us), 0, UINT_MAX},
	{"wscale", SMALL, TCP(wscale), 0, 14},
	{"syn_retries", SMALL, TCP(syn_retries), 0, 127},
	{"quick_acks", SMALL, TCP(quick_acks), 0, 16},
};

static const struct word {
	const char *name;
	size_t at; /* a bool of struct tcp_config */
	bool value;
} words[] = {
	{"ecn", TCP(ecn), true},
	{"noecn", TCP(ecn), false},
	{"mtu_probe", TCP(mtu_probe), true},
	{"no_mtu_probe", TCP(mtu_probe), false},
};

static int parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *v)
{
	char *end;

	errno = 0;
	*v = strtoul(text, &end, 10);
	return *text < '0' || *text > '9' || *end || errno || *v < min || *v > max ? -EINVAL : 0;
}

static int set_number(struct tcp_config *c, const struct number *n, const char *text)
{
	uint8_t *at = (uint8_t *)c + n->at;
	unsigned long v;

	if (parse_number(text, n->min, n->max, &v))
		return -EINVAL;
	switch (n->kind) {
	case BYTES32:
		*(uint32_t *)at = (uint32_t)v;
		break;
	case MS64:
		*(uint64_t *)at = (uint64_t)v * MS;
		break;
	case SMALL:
		*at = (uint8_t)v;
		break;
	}
	return 0;
}

static int set_mode(struct pd_settings *s, const char *text)
{
	static const char *const names[] = {"always", "auto", "never"};

	for (unsigned i = 0; i < 3; i++) {
		if (!strcmp(text, names[i])) {
			s->mode = (enum weir_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_value(struct pd_settings *s, const char *name, const char *text)
{
	unsigned long v;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (!strcmp(name, numbers[i].name))
			return set_number(&s->tcp, &numbers[i], text);
	}
	if (!strcmp(name, "fin_timeout")) {
		if (parse_number(text, 1, UINT_MAX, &v))
			return -EINVAL;
		s->tcp.fin_wait_2_us = s->tcp.last_ack_us = (uint64_t)v * MS;
		return 0;
	}
	if (!strcmp(name, "mtu")) {
		if (parse_number(text, 576, 9000, &v))
			return -EINVAL;
		s->mtu = (unsigned)v;
		return 0;
	}
	if (!strcmp(name, "mode"))
		return set_mode(s, text);
	if (!strcmp(name, "cc")) {
		s->tcp.cc = tcp_cc_find(text);
		return s->tcp.cc ? 0 : -EINVAL;
	}
	if (!strcmp(name, "local4"))
		return inet_pton(AF_INET, text, &s->local4) == 1 ? 0 : -EINVAL;
	if (!strcmp(name, "local6"))
		return inet_pton(AF_INET6, text, &s->local6) == 1 ? 0 : -EINVAL;
	return -ENOENT;
}

static int set_word(struct pd_settings *s, const char *name)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(name, words[i].name)) {
			*(bool *)((uint8_t *)&s->tcp + words[i].at) = words[i].value;
			return 0;
		}
	}
	return -ENOENT;
}

static int set_one(struct pd_settings *s, char *word, char *why, size_t len)
{
	char *value = strchr(word, '=');
	int err;

	/* Which way frames go was read before: it decides other defaults. */
	if (!strcmp(word, "engine") || !strcmp(word, "xdp"))
		return 0;
	if (value)
		*value++ = '\0';
	err = value ? set_value(s, word, value) : set_word(s, word);
	if (err == -ENOENT)
		snprintf(why, len, "--so_flags: unknown setting '%s'", word);
	else if (err)
		snprintf(why, len, "--so_flags: bad value '%s' of '%s'", value, word);
	return err ? -EINVAL : 0;
}

static void defaults(struct pd_settings *s, bool xdp)
{
	memset(s, 0, sizeof(*s));
	s->xdp = xdp;
	s->mode = xdp ? WEIR_MODE_ALWAYS : WEIR_MODE_NEVER;
	s->mtu = 1500;
	tcp_config_default(&s->tcp);
	/*
	 * As most scripts expect it. A buffer beyond what a SYN-ACK can offer would be
	 * offered by an ACK of its own after the first read.
	 */
	s->tcp.wscale = 8;
	s->tcp.rcvbuf = s->tcp.rcvbuf_max = UINT16_MAX;
	s->tcp.sndbuf = 1 << 20;
	s->tcp.sndbuf_max = 4 << 20;
	s->tcp.ecn = false;
	s->tcp.mtu_probe = false;
	inet_pton(AF_INET, "192.168.0.1", &s->local4);
	inet_pton(AF_INET6, "fd3d:fa7b:d17d::1", &s->local6);
}

static bool has_word(const char *flags, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = flags; (p = strstr(p, word)); p += n) {
		if ((p == flags || p[-1] == ',') && (!p[n] || p[n] == ','))
			return true;
	}
	return false;
}

int settings_parse(struct pd_settings *s, const char *flags, char *why, size_t len)
{
	char *copy, *word, *save;
	int err = 0;

	defaults(s, flags && has_word(flags, "xdp"));
	if (!flags)
		return 0;
	copy = strdup(flags);
	if (!copy)
		return -ENOMEM;
	for (word = strtok_r(copy, ",", &save); word && !err; word = strtok_r(NULL, ",", &save))
		err = set_one(s, word, why, len);
	free(copy);
	if (!err && s->xdp && has_word(flags, "engine")) {
		snprintf(why, len, "--so_flags: engine and xdp exclude each other");
		err = -EINVAL;
	}
	return err;
}
