/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <ucontext.h>
#include <unistd.h>

#include "control/sandbox_priv.h"

#define CALLS 1024

/* Written by the signal handler, of any thread; read by sandbox_step(). */
static atomic_uint refused[CALLS];

static void on_refusal(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	unsigned nr = (unsigned)si->si_syscall;

	(void)sig;
	atomic_fetch_add_explicit(&refused[nr < CALLS ? nr : CALLS - 1], 1, memory_order_relaxed);
#if defined(__x86_64__)
	uc->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	uc->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#else
#error "how a system call returns on this architecture"
#endif
}

static int add(scmp_filter_ctx f, const struct sandbox_call *c)
{
	int nr = seccomp_syscall_resolve_name(c->name);
	struct scmp_arg_cmp when[3];

	if (nr == __NR_SCMP_ERROR) /* newer than the library */
		return 0;
	for (unsigned i = 0; i < c->nwhen; i++)
		when[i] = SCMP_CMP64(c->when[i].arg, SCMP_CMP_MASKED_EQ, c->when[i].mask,
				     c->when[i].value);
	return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, c->nwhen, when);
}

/* One number per thread is all that differs: the C library asks for clone3() first. */
static int refuse_softly(scmp_filter_ctx f)
{
	int nr = seccomp_syscall_resolve_name("clone3");

	return nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
}

int sandbox_filter(const struct sandbox *sb)
{
	struct sigaction sa = {.sa_sigaction = on_refusal, .sa_flags = SA_SIGINFO};
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	const struct sandbox_call *c;
	int rc = 0;

	if (!f)
		return -ENOMEM;
	sigfillset(&sa.sa_mask);
	if (sigaction(SIGSYS, &sa, NULL))
		rc = -errno;
	if (!rc)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!rc)
		rc = refuse_softly(f);
	for (c = sandbox_calls; !rc && c->name; c++) {
		if (!c->needs || (c->needs & sb->needs))
			rc = add(f, c);
	}
	if (!rc)
		rc = seccomp_load(f);
	seccomp_release(f);
	return rc;
}

uint64_t sandbox_step(struct sandbox *sb)
{
	static unsigned told[CALLS];
	uint64_t sum = 0;

	for (unsigned nr = 0; nr < CALLS; nr++) {
		unsigned n = atomic_load_explicit(&refused[nr], memory_order_relaxed);
		char *name;

		sum += n;
		if (n == told[nr])
			continue;
		if (!told[nr]) {
			name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
			sb->log(LOG_ERR,
				"the sandbox refused the system call %s (%u): a defect of weir, or "
				"an "
				"attack; --sandbox off runs without it",
				name ? name : "?", nr);
			free(name);
		}
		told[nr] = n;
	}
	return sum;
}
