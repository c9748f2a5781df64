// SPDX-License-Identifier: BSD-2-Clause
/*
 * What comes back to the spoofed sources. The lab's program on the interface
 * counts and drops it when told to; where the interface has no program, we attach
 * the same one by a link, which goes with the process however it ends.
 */
#include "flood.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lab_pass.h"
#include "lab_pass.skel.h"

static const uint32_t zero;

/* The map of that name and value size among the program's, or -ENOENT. */
static int map_by_name(uint32_t *ids, uint32_t n, const char *name, uint32_t value_size)
{
	struct bpf_map_info info;
	uint32_t i, len;
	int fd;

	for (i = 0; i < n; i++) {
		fd = bpf_map_get_fd_by_id(ids[i]);
		if (fd < 0)
			continue;
		len = sizeof(info);
		memset(&info, 0, len);
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, name) &&
		    info.value_size == value_size)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* Takes the maps of the program that is attached; unknown when it is not the lab's. */
static int adopt(struct answers *w, uint32_t prog_id)
{
	uint32_t ids[16], len;
	struct bpf_prog_info info = {.nr_map_ids = 16, .map_ids = (uintptr_t)ids};
	int fd = bpf_prog_get_fd_by_id(prog_id), err;

	if (fd < 0)
		return fd;
	len = sizeof(info);
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (err)
		return err;
	if (info.nr_map_ids > 16)
		info.nr_map_ids = 16;
	w->config_fd = map_by_name(ids, info.nr_map_ids, "lab_config", sizeof(struct lab_config));
	w->count_fd = map_by_name(ids, info.nr_map_ids, "lab_count", sizeof(struct lab_count));
	w->known = w->config_fd >= 0 && w->count_fd >= 0;
	return 0;
}

static int attach_own(struct answers *w, int ifindex, const char **why)
{
	w->skel = lab_pass_bpf__open_and_load();
	if (!w->skel)
		return -errno;
	w->skel->links.lab_pass = bpf_program__attach_xdp(w->skel->progs.lab_pass, ifindex);
	if (!w->skel->links.lab_pass) {
		*why = "the interface takes no XDP program";
		return -errno;
	}
	w->config_fd = dup(bpf_map__fd(w->skel->maps.lab_config));
	w->count_fd = dup(bpf_map__fd(w->skel->maps.lab_count));
	w->known = w->config_fd >= 0 && w->count_fd >= 0;
	return w->known ? 0 : -errno;
}

/*
 * Answers within a flow go to a real connection, which has to see them; only those to
 * sources that nobody has are ours.
 */
static bool has_spoofed(const struct args *a)
{
	unsigned int k;

	for (k = 0; k < KINDS; k++)
		if (k != KIND_INFLOW && a->kinds.share[k])
			return true;
	return false;
}

static void set_prefix6(struct lab_config *cfg, const struct args *a)
{
	unsigned int i, fixed, len = a->src_len;
	__be32 net[4];

	memcpy(net, &a->src_net, sizeof(net));
	for (i = 0; i < 4; i++) {
		fixed = len < 32 ? len : 32;
		len -= fixed;
		cfg->flood6_mask[i] = fixed ? htonl(0xffffffffU << (32 - fixed)) : 0;
		net[i] &= cfg->flood6_mask[i];
	}
	memcpy(cfg->flood6_net, net, sizeof(cfg->flood6_net));
	memcpy(cfg->flood6_low, net + 2, sizeof(cfg->flood6_low));
	cfg->flood6 = 1;
}

/* Sets what the flood needs of the configuration, and leaves the loss as it is. */
static int configure(struct answers *w, const struct args *a)
{
	struct lab_config cfg, old;

	if (bpf_map_lookup_elem(w->config_fd, &zero, &old))
		return -errno;
	memset(&cfg, 0, sizeof(cfg));
	cfg.loss = old.loss;
	if (a && a->family == AF_INET) {
		cfg.flood4_mask = htonl(0xffffffffU << (32 - a->src_len));
		memcpy(&cfg.flood4_net, &a->src_net, 4);
		cfg.flood4_net &= cfg.flood4_mask;
	} else if (a) {
		set_prefix6(&cfg, a);
	}
	cfg.active = a || cfg.loss;
	return bpf_map_update_elem(w->config_fd, &zero, &cfg, BPF_ANY) ? -errno : 0;
}

static void read_counts(const struct answers *w, struct lab_count *sum)
{
	int n = libbpf_num_possible_cpus(), i;
	struct lab_count *v;

	memset(sum, 0, sizeof(*sum));
	v = n > 0 ? calloc((size_t)n, sizeof(*v)) : NULL;
	if (v && !bpf_map_lookup_elem(w->count_fd, &zero, v)) {
		for (i = 0; i < n; i++) {
			sum->syn_ack += v[i].syn_ack;
			sum->rst += v[i].rst;
			sum->other += v[i].other;
		}
	}
	free(v);
}

int answers_open(struct answers *w, const struct args *a, int ifindex, const char **why)
{
	struct lab_count base;
	uint32_t prog_id = 0;
	int err;

	memset(w, 0, sizeof(*w));
	w->config_fd = w->count_fd = -1;
	*why = "cannot count the answers on this interface";
	err = bpf_xdp_query_id(ifindex, 0, &prog_id);
	if (!err)
		err = prog_id ? adopt(w, prog_id) : attach_own(w, ifindex, why);
	w->known = w->known && has_spoofed(a);
	if (!err && w->known)
		err = configure(w, a);
	if (err) {
		answers_close(w);
		return err;
	}
	if (w->known) {
		read_counts(w, &base);
		w->base_syn_ack = base.syn_ack;
		w->base_rst = base.rst;
		w->base_other = base.other;
	}
	return 0;
}

void answers_read(struct answers *w)
{
	struct lab_count now;

	if (!w->known)
		return;
	read_counts(w, &now);
	w->syn_ack = now.syn_ack - w->base_syn_ack;
	w->rst = now.rst - w->base_rst;
	w->other = now.other - w->base_other;
}

void answers_close(struct answers *w)
{
	if (w->known)
		configure(w, NULL);
	if (w->config_fd >= 0)
		close(w->config_fd);
	if (w->count_fd >= 0)
		close(w->count_fd);
	lab_pass_bpf__destroy(w->skel);
	memset(w, 0, sizeof(*w));
	w->config_fd = w->count_fd = -1;
}
