/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into weir: code of an attacker who has got into it.
 *
 *     INTRUDER_AT=file    while it is there, the main thread and each worker try what an
 *                         attacker would, once, and say on standard error how it went
 *     INTRUDER_VICTIM=file  what they try to remove
 *     INTRUDER_HANG=file  while it is there, the workers stand still
 *
 * "intruder: main execve EPERM": which thread, what, the error or OK.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/openat2.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static __thread int tried;

static int is_main(void)
{
	return syscall(SYS_gettid) == getpid();
}

static void report(const char *what, long rc)
{
	int e = errno;
	char line[128];
	int n = snprintf(line, sizeof(line), "intruder: %s %s %s\n", is_main() ? "main" : "worker",
			 what, rc >= 0 ? "OK" : strerrorname_np(e));

	if (write(2, line, (size_t)n) < 0)
		return;
}

static void try_files(void)
{
	struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0600};

	report("create", openat(AT_FDCWD, "/tmp/weir-intruder", O_WRONLY | O_CREAT, 0600));
	report("write", openat(AT_FDCWD, "/etc/passwd", O_RDWR));
	report("create2", syscall(SYS_openat2, AT_FDCWD, "/tmp/weir-intruder", &how, sizeof(how)));
	report("remove", unlink(getenv("INTRUDER_VICTIM")));
	report("read", openat(AT_FDCWD, "/etc/passwd", O_RDONLY));
}

static void try_processes(void)
{
	char *const argv[] = {(char *)"true", NULL};

	report("execve", syscall(SYS_execve, "/bin/true", argv, NULL));
	report("execveat", syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, NULL, 0));
	report("fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	report("kill", kill(getppid(), 0));
	report("ptrace", ptrace(PTRACE_SEIZE, getppid(), 0, 0));
	report("process_vm_readv", syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static void try_kernel(void)
{
	union bpf_attr attr = {0};

	report("bpf-load", syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)));
	report("bpf-map", syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
	report("unshare", unshare(CLONE_NEWUSER));
	report("setns", setns(0, CLONE_NEWNET));
	report("mount", syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL));
	report("keyctl", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
	report("init_module", syscall(SYS_init_module, NULL, 0, ""));
	report("setresuid", syscall(SYS_setresuid, 0, 0, 0));
	report("code",
	       (long)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void try_sockets(void)
{
	report("sniff", socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)));
	report("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	report("alg", socket(38, SOCK_SEQPACKET, 0)); /* AF_ALG */
	report("xdp", socket(44, SOCK_RAW, 0));	      /* AF_XDP */
}

static void intrude(void)
{
	const char *when = getenv("INTRUDER_AT"), *hang = getenv("INTRUDER_HANG");

	if (when && !tried && !access(when, F_OK)) {
		tried = 1;
		try_files();
		try_processes();
		try_kernel();
		try_sockets();
		report("done", 0);
	}
	while (hang && !is_main() && !access(hang, F_OK))
		usleep(20000);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	static int (*real)(struct pollfd *, nfds_t, int);

	if (!real)
		real = dlsym(RTLD_NEXT, "poll");
	intrude();
	return real(fds, n, timeout);
}
