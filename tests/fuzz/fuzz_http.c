// SPDX-License-Identifier: BSD-2-Clause
/*
 * The whole of http over a connection in memory, against any bytes in any pieces.
 *
 * Input: a byte each for the send buffer, the contiguous piece and the chunking,
 * then the client's stream. The chunking byte seeds a generator that cuts the
 * stream, acknowledges, lets time pass and starves the connection of buffers.
 * What must hold: no sanitizer finding, no contract of weir.h broken (the fixture
 * aborts), whatever is sent begins as a response, no descriptor left open, and
 * the same stream in one piece gets the same bytes when no time passes.
 */
#include "../unit/http_site.h"
#include "fuzz.h"

#include "app/http.h"

static void clean_up(void)
{
	site_remove(&site);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	site_make(&site);
	atexit(clean_up);
	return 0;
}

static uint32_t next(uint32_t *seed, uint32_t n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % n;
}

/* The descriptor that the next open would get: the count of those in use. */
static int lowest_free(void)
{
	int fd = dup(0);

	REQUIRE(fd >= 0);
	close(fd);
	return fd;
}

static void check_answer(const struct weir_conn *c)
{
	static const char start[] = "HTTP/1.1 ";
	size_t n = c->out_len < strlen(start) ? c->out_len : strlen(start);

	REQUIRE(!n || !memcmp(c->out, start, n));
	REQUIRE(c->max_queued <= c->sndbuf);
	/* outside.txt is beside the directory and must never be sent */
	REQUIRE(!c->out_len || !memmem(c->out, c->out_len, "\r\n\r\nsecret\n", 11));
}

/* The stream cut by `seed`; 0: in one piece. */
static void play(struct weir_conn *c, const uint8_t *p, size_t len, uint32_t seed, bool time)
{
	for (size_t at = 0, n; at < len; at += n) {
		n = seed ? 1 + next(&seed, next(&seed, 4) ? 16 : 2000) : len;
		n = n < len - at ? n : len - at;
		fx_feed(c, p + at, n);
		if (seed && !next(&seed, 3))
			fx_ack(c, 1 + next(&seed, 3000));
		if (time && !next(&seed, 8))
			fx_advance(c, next(&seed, 40000));
		if (time)
			c->starved = !next(&seed, 6);
	}
	c->starved = false;
	if (time)
		fx_advance(c, APP_RETRY_MS);
	/* some of big.bin is enough */
	for (int i = 0; i < 40; i++)
		fx_ack(c, SIZE_MAX);
}

static void run(struct weir_conn *c, const uint8_t *data, size_t len, uint32_t seed, bool time)
{
	fx_open(c, &weir_app_http, site.arg);
	c->sndbuf = 1 + data[0] * 16;
	c->piece = 1 + data[1];
	play(c, data + 3, len - 3, seed, time);
	check_answer(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fds = lowest_free();
	struct weir_conn cut, whole;
	size_t n;

	if (len < 3)
		return 0;
	/* any pieces, no time: the same answers as far as both were read */
	run(&cut, data, len, 1 + data[2], false);
	run(&whole, data, len, 0, false);
	n = cut.out_len < whole.out_len ? cut.out_len : whole.out_len;
	REQUIRE(!n || !memcmp(cut.out, whole.out, n));
	REQUIRE(cut.aborted == whole.aborted);
	fx_free(&cut);
	fx_free(&whole);
	/* and with time, starvation, a half-close and the end of all limits */
	run(&cut, data, len, 1 + data[2], true);
	fx_fin(&cut);
	fx_advance(&cut, 1000000);
	REQUIRE(cut.closed || cut.ended);
	check_answer(&cut);
	fx_free(&cut);
	REQUIRE(lowest_free() == fds);
	return 0;
}
