/* SPDX-License-Identifier: BSD-2-Clause */
/* weir detach: what a weir that was killed has left on an interface. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cmds.h"
#include "control/dispatcher.h"
#include "control/hook.h"
#include "control/pin.h"

static int runs(const char *cmd, const char *iface, const struct holder *weir)
{
	fprintf(stderr, "weir %s: %s: process %d (%s) runs on it: stop that\n", cmd, iface,
		(int)weir->pid, weir->comm);
	return 1;
}

static int nothing(const char *iface, bool stale)
{
	if (stale)
		printf("%s: removed the pin of a gate that has gone\n", iface);
	else
		printf("%s: nothing of a killed weir is there\n", iface);
	return 0;
}

/* What --on-crash drop has left: a link of its own, or the pin alone. */
static int unpin(const char *cmd, const char *iface, unsigned ifindex, const struct hook *h,
		 const char *dir)
{
	bool weir = h->kind == HOOK_LINK && hook_is_weir(h->prog), stale;
	struct weir_err err;
	struct pin pin;
	int rc;

	if (weir && h->by.pid)
		return runs(cmd, iface, &h->by);
	rc = pin_open(&pin, dir, ifindex, false, &err);
	if (!rc)
		rc = pin_detach(&pin, h, &stale);
	pin_close(&pin);
	if (!rc) {
		printf("%s: taken off: the gate of a killed weir\n", iface);
		return 0;
	}
	if (rc == -ENOENT && !weir)
		return nothing(iface, stale);
	if (rc == -ENOENT)
		fprintf(stderr,
			"weir %s: %s: a gate is there whose weir is not in sight, but no pin of it "
			"in %s; --pin-dir says where, or `bpftool link detach id %u` takes it "
			"off\n",
			cmd, iface, dir, h->link_id);
	else
		fprintf(stderr, "weir %s: %s: cannot take it off: %s\n", cmd, iface, strerror(-rc));
	return 1;
}

static int detach(const char *cmd, const char *iface, const char *dir)
{
	unsigned ifindex = if_nametoindex(iface);
	struct weir_err err;
	struct holder weir;
	struct hook hook;
	int rc;

	if (!ifindex || hook_query(&hook, ifindex)) {
		fprintf(stderr, "weir %s: %s: no such interface\n", cmd, iface);
		return 2;
	}
	if (hook.kind == HOOK_DISPATCHER && dispatcher_ready(ifindex, hook.prog_id, &err)) {
		fprintf(stderr, "weir %s: %s\n", cmd, err.msg);
		return err.status;
	}
	if (hook.kind != HOOK_DISPATCHER || !dispatcher_weirs(ifindex, &weir))
		return unpin(cmd, iface, ifindex, &hook, dir);
	if (weir.pid)
		return runs(cmd, iface, &weir);
	rc = dispatcher_sweep(ifindex);
	if (rc < 0) {
		fprintf(stderr, "weir %s: %s: cannot take it out: %s\n", cmd, iface, strerror(-rc));
		return 1;
	}
	printf("%s: taken out of the dispatcher: %d of a killed weir\n", iface, rc);
	return 0;
}

int cmd_detach(int argc, char **argv)
{
	static const char *dir;
	static const struct arg table[] = {
		{.kind = ARG_STRING,
		 .name = "pin-dir",
		 .value = "DIR",
		 .help = "where --on-crash drop kept it (/sys/fs/bpf/weir)",
		 .dest = &dir},
		{.name = NULL},
	};
	const char *iface;
	int status;

	iface = args_one(
		argc, argv, table,
		"usage: weir detach IFACE [OPTIONS]\n\n"
		"When weir is killed the gate stays where weir run --on-crash drop has pinned it,\n"
		"and where it shares the XDP hook in libxdp's dispatcher (--xdp-dispatcher). It\n"
		"closes weir's services until the next weir run. This takes it out and leaves all\n"
		"other programs in place.\n\n",
		"interface", &status);
	if (!iface)
		return status;
	return detach(argv[0], iface, dir ? dir : PIN_DIR);
}
