/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "netns.h"

void netns_private(void)
{
	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "skipped: no private network namespace: %s (needs root)\n",
			strerror(errno));
		exit(77);
	}
	sh("ip link set lo up");
}

static double slowness(void)
{
	const char *factor = getenv("WEIR_PATIENCE");
	double by = factor ? strtod(factor, NULL) : 1;

	return by > 0 ? by : 1;
}

unsigned patience(unsigned n)
{
	return (unsigned)(n * slowness());
}

unsigned scaled(unsigned n)
{
	unsigned less = (unsigned)(n / slowness());

	return less ? less : 1;
}

pid_t netns_child(void)
{
	int ready[2];
	char c = 1;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET))
			c = 0;
		if (write(ready[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (pid > 0 && (read(ready[0], &c, 1) != 1 || !c)) {
		netns_end(pid);
		pid = -1;
	}
	close(ready[0]);
	return pid;
}

void netns_end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

int sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(cmd, sizeof(cmd) - 16, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(cmd) - 16)
		return -1;
	strcat(cmd, " >/dev/null 2>&1");
	rc = system(cmd);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static int load(const struct bpf_insn *insns, unsigned n, const char *name)
{
	return bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", insns, n, NULL);
}

#define INSN(c, d, s, o, i)                                                                        \
	{                                                                                          \
		.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)                \
	}

int prog_pass(void)
{
	const struct bpf_insn insns[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load(insns, sizeof(insns) / sizeof(insns[0]), "test_pass");
}

int prog_redirect(int xskmap_fd)
{
	const struct bpf_insn insns[] = {
		/* r2 = ctx->rx_queue_index */
		INSN(BPF_LDX | BPF_MEM | BPF_W, BPF_REG_2, BPF_REG_1,
		     offsetof(struct xdp_md, rx_queue_index), 0),
		/* r1 = map (two instructions) */
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, xskmap_fd),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0, XDP_DROP),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load(insns, sizeof(insns) / sizeof(insns[0]), "test_redirect");
}

int xskmap_new(unsigned queues)
{
	return bpf_map_create(BPF_MAP_TYPE_XSKMAP, "test_xsks", 4, 4, queues, NULL);
}

int xdp_link(int prog_fd, const char *ifname, unsigned flags)
{
	struct bpf_link_create_opts opts = {.sz = sizeof(opts), .flags = flags};

	return bpf_link_create(prog_fd, (int)if_nametoindex(ifname), BPF_XDP, &opts);
}
