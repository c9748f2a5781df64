/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket's bytes and a trace's frames. The first byte chooses:
 *
 *   0  a client's stream of requests, in pieces: every line is answered by one
 *      object with version 1, in its turn
 *   1  captured bytes: drawn as a ladder that stays within its width
 *   2  a line of a trace: a record that is read is written and read again alike
 *   3  a reply to conns, in pieces: the same rows whatever the pieces
 */
#include <sys/socket.h>
#include <unistd.h>

#include "cli/canvas.h"
#include "cli/ladder.h"
#include "cli/rowsplit.h"
#include "control/ctl_client.h"
#include "control/ctl_json.h"
#include "control/trace_wire.h"
#include "fuzz.h"

/* ---- requests --------------------------------------------------------------------- */

static unsigned check_replies(const char *text, size_t len)
{
	unsigned n = 0;

	while (len > 0) {
		const char *nl = memchr(text, '\n', len);
		json_t *o, *version;

		REQUIRE(nl);
		o = json_loadb(text, (size_t)(nl - text), 0, NULL);
		version = json_object_get(o, "version");
		REQUIRE(json_integer_value(version) == 1);
		json_decref(o);
		len -= (size_t)(nl - text) + 1;
		text = nl + 1;
		n++;
	}
	return n;
}

static void requests(const uint8_t *data, size_t len)
{
	struct ctl_request req;
	struct ctl_client c;
	unsigned lines = 0;
	int fd[2];

	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
	REQUIRE(!ctl_client_init(&c, fd[0], 0));
	for (size_t at = 0; at < len;) {
		size_t n = data[at] % 64 + 1u;

		n = n < len - at ? n : len - at;
		REQUIRE(send(fd[1], data + at, n, 0) == (ssize_t)n);
		at += n;
		REQUIRE(ctl_client_read(&c));
		for (int rc; (rc = ctl_client_request(&c, &req)); lines++) {
			if (rc > 0)
				ctl_client_reply(&c, ctl_json_ping());
			/* what is out is bounded by who takes it: here nobody does */
			if (ctl_client_room(&c) < CTL_OUT_MAX / 2)
				c.out_len = c.out_at = lines = 0;
		}
	}
	REQUIRE(check_replies(c.out + c.out_at, c.out_len) == lines);
	ctl_client_free(&c);
	close(fd[1]);
}

/* ---- frames ------------------------------------------------------------------------- */

static void check_width(const char *text, unsigned width)
{
	char *copy = strdup(text), *save, *line;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		REQUIRE(text_width(line) <= width);
	free(copy);
}

/* Records of up to 66 bytes each, so that frames meet frames of their connection. */
static void frames(const uint8_t *data, size_t len)
{
	const struct ladder_opts opts = {.width = 80, .verbose = true};
	struct weir_trace_rec rec = {0};
	struct ladder *l;
	size_t size;
	char *text;
	FILE *f;

	f = open_memstream(&text, &size);
	l = ladder_new(&opts, f);
	REQUIRE(l);
	while (len > 2) {
		size_t n = data[0] < len - 2 ? data[0] : len - 2;

		rec.mono_ns += data[1] * 1000u;
		rec.where = data[1] & 1;
		rec.dir = data[1] >> 1 & 1;
		rec.outcome = data[1] & 4 ? data[1] : 0;
		rec.state_after = data[1] >> 3;
		rec.len = (uint16_t)n;
		rec.caplen = n < WEIR_TRACE_SNAP ? (uint16_t)n : WEIR_TRACE_SNAP;
		memcpy(rec.data, data + 2, rec.caplen);
		ladder_record(l, &rec);
		data += n + 2;
		len -= n + 2;
	}
	ladder_summary(l);
	ladder_free(l);
	fclose(f);
	check_width(text, 80);
	free(text);
}

/* ---- lines of a trace, and replies ------------------------------------------------------ */

static void wire(const uint8_t *data, size_t len)
{
	struct weir_trace_rec rec, back;
	char line[TRACE_WIRE_MAX];
	json_t *o = json_loadb((const char *)data, len, 0, NULL);

	if (!trace_wire_parse(&rec, o)) {
		json_decref(o);
		len = trace_wire_format(line, sizeof(line), &rec);
		o = json_loadb(line, len, 0, NULL);
		REQUIRE(o);
		/* a time above 2^63 has no number in JSON */
		if (rec.mono_ns <= INT64_MAX) {
			REQUIRE(!trace_wire_parse(&back, o));
			REQUIRE(!memcmp(&rec, &back, sizeof(rec)));
		}
	}
	json_decref(o);
}

static int count_row(void *arg, const char *row, size_t len)
{
	uint64_t *sum = arg;

	*sum = *sum * 31 + len;
	for (size_t i = 0; i < len; i++)
		*sum = *sum * 31 + (uint8_t)row[i];
	return 0;
}

static void reply(const uint8_t *data, size_t len)
{
	struct rowsplit *whole = calloc(2, sizeof(*whole)), *pieces = whole + 1;
	uint64_t a = 0, b = 0;
	int rc = 0, rc2 = 0;

	REQUIRE(whole);
	whole->row = pieces->row = count_row;
	whole->arg = &a;
	pieces->arg = &b;
	rc = rowsplit_feed(whole, (const char *)data, len);
	for (size_t i = 0; i < len && !rc2; i++)
		rc2 = rowsplit_feed(pieces, (const char *)data + i, 1);
	REQUIRE(rc == rc2 && a == b);
	REQUIRE(!memcmp(whole->rest, pieces->rest, sizeof(whole->rest)));
	free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const parts[])(const uint8_t *, size_t) = {requests, frames, wire, reply};

	if (len > 0)
		parts[data[0] % 4](data + 1, len - 1);
	return 0;
}
