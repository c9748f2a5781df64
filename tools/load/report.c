// SPDX-License-Identifier: BSD-2-Clause
#include "report.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

struct tally *report_total(const struct load_args *a, const struct result *r)
{
	struct tally *t = calloc(1, sizeof(*t));

	for (unsigned int i = 0; t && i < r->phases; i++)
		if (!a->phase[i].warmup)
			tally_merge(t, &r->phase[i]);
	return t;
}

static double per(double n, double d)
{
	return d > 0 ? n / d : 0;
}

static double us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static json_t *quantiles(const struct hist *h)
{
	return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "n", (json_int_t)h->n, "min",
			 us(h->min), "p50", us(hist_quantile(h, 0.5)), "p90",
			 us(hist_quantile(h, 0.9)), "p99", us(hist_quantile(h, 0.99)), "p999",
			 us(hist_quantile(h, 0.999)), "max", us(h->max), "mean",
			 hist_mean(h) / 1e3);
}

static json_t *failures(const struct tally *t)
{
	json_t *o = json_object();

	for (int i = 0; o && i < LOAD_FAILURE_MAX; i++)
		if (t->failed[i])
			json_object_set_new(o, load_failure_names[i],
					    json_integer((json_int_t)t->failed[i]));
	return o;
}

/* What a phase and the whole have in common. */
static json_t *tally_json(const struct tally *t)
{
	double s = tally_seconds(t);
	json_t *o = json_pack(
		"{s:f, s:I, s:I, s:o, s:f, s:f, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:f, s:f, "
		"s:{s:f, s:f}}",
		"seconds", s, "attempted", (json_int_t)t->attempted, "succeeded",
		(json_int_t)t->succeeded, "failed", failures(t), "success",
		per((double)t->succeeded, (double)t->attempted), "rate_per_s",
		per((double)t->completed, s), "concurrent_peak", (json_int_t)t->peak, "opened",
		(json_int_t)t->opened, "waited_for_connection", (json_int_t)t->waited, "connect_us",
		quantiles(&t->connect), "response_us", quantiles(&t->response), "start_delay_us",
		quantiles(&t->delay), "up_bytes", (json_int_t)t->up, "down_bytes",
		(json_int_t)t->down, "up_gbit_s", per((double)t->up * 8e-9, s), "down_gbit_s",
		per((double)t->down * 8e-9, s), "cpu", "machine_s", t->cpu.machine_s, "self_s",
		t->cpu.self_s);

	return o;
}

static json_t *phases_json(const struct load_args *a, const struct result *r)
{
	json_t *list = json_array(), *o;

	for (unsigned int i = 0; list && i < r->phases; i++) {
		const struct phase *p = &a->phase[i];

		if (p->warmup || !r->phase[i].begin)
			continue;
		o = tally_json(&r->phase[i]);
		if (!o)
			continue;
		json_object_set_new(o, "rate_asked",
				    p->rate > 0 ? json_real(p->rate) : json_null());
		json_object_set_new(o, "label", json_string(p->label));
		json_array_append_new(list, o);
	}
	return list;
}

static void target_text(const struct load_args *a, char *out, size_t len)
{
	char ip[INET6_ADDRSTRLEN] = "";
	bool v6 = a->remote.sa.sa_family == AF_INET6;

	inet_ntop(a->remote.sa.sa_family,
		  v6 ? (const void *)&a->remote.in6.sin6_addr
		     : (const void *)&a->remote.in.sin_addr,
		  ip, sizeof(ip));
	snprintf(out, len, v6 ? "[%s]:%u" : "%s:%u", ip, ntohs(a->remote.in.sin_port));
}

json_t *report_json(const struct load_args *a, const struct result *r)
{
	struct tally *t = report_total(a, r);
	json_t *o, *body;
	char to[80];

	if (!t)
		return NULL;
	target_text(a, to, sizeof(to));
	o = json_pack("{s:i, s:s, s:s, s:s, s:I, s:f, s:b}", "version", 1, "pattern", a->info->name,
		      "backend", a->xdp ? "xdp" : "kernel", "target", to, "connections",
		      (json_int_t)a->connections, "timeout_s", (double)a->timeout_ns / 1e9,
		      "interrupted", r->interrupted);
	body = tally_json(t);
	if (o && body) {
		json_object_update(o, body);
		json_object_set_new(o, "phases", phases_json(a, r));
	}
	json_decref(body);
	free(t);
	return o;
}

static void text_times(const char *name, const struct hist *h)
{
	if (h->n)
		printf("  %-9s p50 %.0f us, p90 %.0f, p99 %.0f, p99.9 %.0f, max %.0f  (%llu)\n",
		       name, us(hist_quantile(h, 0.5)), us(hist_quantile(h, 0.9)),
		       us(hist_quantile(h, 0.99)), us(hist_quantile(h, 0.999)), us(h->max),
		       (unsigned long long)h->n);
}

static void text_tally(const struct tally *t)
{
	double s = tally_seconds(t);

	printf("  %llu tried, %llu succeeded (%.4f %%), %.1f/s\n", (unsigned long long)t->attempted,
	       (unsigned long long)t->succeeded,
	       100 * per((double)t->succeeded, (double)t->attempted), per((double)t->completed, s));
	for (int i = 0; i < LOAD_FAILURE_MAX; i++)
		if (t->failed[i])
			printf("  failed    %llu %s\n", (unsigned long long)t->failed[i],
			       load_failure_names[i]);
	text_times("connect", &t->connect);
	text_times("response", &t->response);
	text_times("late", &t->delay);
	if (t->waited)
		printf("  %llu had to wait for one of the connections: more --connections?\n",
		       (unsigned long long)t->waited);
	if (t->up + t->down > 1000000)
		printf("  up %.3f Gbit/s, down %.3f Gbit/s\n", per((double)t->up * 8e-9, s),
		       per((double)t->down * 8e-9, s));
	printf("  at most %u connections at once; CPU %.2f s of the machine, %.2f s of this\n",
	       t->peak, t->cpu.machine_s, t->cpu.self_s);
}

static void text_title(const struct phase *p, const struct tally *t)
{
	printf("%s%s", p->label, p->label[0] ? ": " : "");
	if (p->rate > 0)
		printf("%.0f/s for %.1f s\n", p->rate, tally_seconds(t));
	else
		printf("closed loop for %.1f s\n", tally_seconds(t));
}

void report_text(const struct load_args *a, const struct result *r)
{
	unsigned int reported = 0;
	struct tally *t;
	char to[80];

	target_text(a, to, sizeof(to));
	for (unsigned int i = 0; i < r->phases; i++) {
		if (a->phase[i].warmup || !r->phase[i].begin)
			continue;
		text_title(&a->phase[i], &r->phase[i]);
		text_tally(&r->phase[i]);
		reported++;
	}
	t = reported == 1 ? NULL : report_total(a, r);
	if (t) {
		printf("%s to %s, all of it\n", a->info->name, to);
		text_tally(t);
		free(t);
	}
	if (r->interrupted)
		puts("interrupted");
}

void report_sample(const struct load_args *a, const struct sample *s)
{
	if (a->info->stream || a->pattern == LOAD_IDLE)
		fprintf(stderr, "%7.1f s\n", s->at_s);
	else
		fprintf(stderr, "%7.1f s %10.0f/s  p50 %7.0f us  p99 %8.0f us  %llu failed\n",
			s->at_s, s->rate, s->p50_us, s->p99_us, (unsigned long long)s->failed);
}
