/* SPDX-License-Identifier: BSD-2-Clause */
/* The committed table is what the core does. */
#include "check.h"
#include "golden.h"
#include "measure.h"

#define GOLDEN "tests/sim/golden.txt"

static char *slurp(FILE *f)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	int ch;

	assert_non_null(to);
	while ((ch = getc(f)) != EOF)
		putc(ch, to);
	fclose(to);
	return text;
}

/* Prints the lines that differ, as many as a reader wants; returns how many do. */
static unsigned differences(char *was, char *is)
{
	char *a_next = was, *b_next = is;
	unsigned n = 0;

	for (;;) {
		char *a = strsep(&a_next, "\n"), *b = strsep(&b_next, "\n");

		if (!a && !b)
			return n;
		if (a && b && !strcmp(a, b))
			continue;
		if (++n <= 20)
			print_error("- %s\n+ %s\n", a ? a : "", b ? b : "");
	}
}

static void table_is_as_committed(void **state)
{
	FILE *f = fopen(GOLDEN, "r");
	char *was, *is = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&is, &len);
	unsigned n;

	(void)state;
	CHECK(f, "%s: run it from the top of the tree", GOLDEN);
	assert_non_null(out);
	was = slurp(f);
	fclose(f);
	assert_int_equal(sim_golden(out), 0);
	fclose(out);
	n = differences(was, is);
	CHECK(!n,
	      "%u lines differ from %s. If that is meant: `make golden`, and the commit explains "
	      "it",
	      n, GOLDEN);
	free(was);
	free(is);
}

static void the_table_would_notice(void **state)
{
	char a[] = "x\ny\nz\n", b[] = "x\nY\nz\n", c[] = "x\n", d[] = "x\n\ny\n";
	struct sim_cell cell = {.cc = "reno",
				.rate = 10000000,
				.rtt = 20 * SIM_MS,
				.buffer_pct = 100,
				.to = 2 * SIM_SEC,
				.flows = 1,
				.seed = 1};
	struct sim_measure m, again;

	(void)state;
	assert_int_equal(differences(a, b), 1);
	assert_int_not_equal(differences(c, d), 0);
	sim_measure(&cell, &m);
	sim_measure(&cell, &again);
	assert_true(m.hash == again.hash);
	cell.rtt += SIM_MS;
	sim_measure(&cell, &again);
	assert_true(m.hash != again.hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_as_committed),
		cmocka_unit_test(the_table_would_notice),
	};

	return cmocka_run_group_tests_name("sim_golden", tests, NULL, NULL);
}
