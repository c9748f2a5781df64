// SPDX-License-Identifier: BSD-2-Clause
/* weir-load: opens real connections, times them, says what became of them. */
#include "../lab_guard.h"
#include "../pin.h"
#include "driver.h"
#include "plot.h"
#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int stop;

/* Once: end with what there is. Twice: at once. */
static void on_signal(int sig)
{
	(void)sig;
	stop = stop + 1;
}

/* Without SA_RESTART, so that a wait ends at once. */
static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

static void progress(const struct driver *d, const struct sample *s)
{
	report_sample(d->a, s);
}

static int print(const struct load_args *a, const struct result *r)
{
	json_t *o;
	int err;

	if (!a->json) {
		report_text(a, r);
		return fflush(stdout) ? -EIO : 0;
	}
	o = report_json(a, r);
	if (!o)
		return -ENOMEM;
	err = json_dumpf(o, stdout, JSON_REAL_PRECISION(9)) || putchar('\n') == EOF ||
	      fflush(stdout);
	json_decref(o);
	return err ? -EIO : 0;
}

static int complain(const char *what, const char *why, int err)
{
	fprintf(stderr, "weir-load: %s%s%s (%s)\n", what, why ? ": " : "", why ? why : "",
		strerror(-err));
	return 1;
}

int main(int argc, char **argv)
{
	const struct backend *be;
	struct driver d = {0};
	struct result r = {0};
	struct load_args a;
	const char *why = NULL;
	int err, status = 0;

	err = load_args_parse(&a, argc, argv);
	if (err)
		return err > 0 ? 0 : 2;
	if (!a.outside_lab && !lab_guard_loopback(&a.remote.sa) && !lab_guard_inside()) {
		fputs("weir-load: this is no namespace of tools/lab, and no loopback address; run"
		      " it with tools/lab exec client, or say --outside-lab\n",
		      stderr);
		return 2;
	}
	catch_signals();
	err = pin_to_cpu(a.cpu);
	if (err)
		return complain("cannot run on that CPU", NULL, err);
	if (a.progress || (!a.json && isatty(STDERR_FILENO)))
		d.progress = progress;
	be = a.xdp ? &backend_xdp : &backend_kernel;
	err = driver_run(&d, be, &a, &r, &stop, &why);
	if (err)
		status = complain(be->name, why, err);
	if (!r.phase || !r.phase[0].begin)
		goto out;
	err = print(&a, &r);
	if (err)
		status = complain("output", NULL, err);
	if (a.plot) {
		why = NULL;
		err = plot_write(a.plot, &a, &r, &why);
		if (err)
			status = complain(a.plot, why, err);
	}
out:
	driver_result_free(&r);
	return status;
}
