/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <weir/cookie.h>

#include "control/gate.h"
#include "control/instance_priv.h"
#include "control/keyfile.h"
#include "control/takeover.h"

#define SECOND_US      1000000
#define ROTATE_RETRY_S 1

static uint64_t gate_wall_ms(const struct weir_instance *inst)
{
	return clock_gate_wall_ms(&inst->priv->clock, &inst->gate->cfg->clock);
}

bool instance_keys_shared(const struct weir_instance *inst)
{
	return inst->priv->keys.watch.path[0];
}

/* ---- loading ------------------------------------------------------------------------------ */

/* A clock that is years behind, or a file that is not meant for now. */
static int check_begun(const struct key_set *s, const char *path, uint64_t wall_ms,
		       struct weir_err *err)
{
	char from[KEYFILE_TIME_MAX], now[KEYFILE_TIME_MAX];

	if ((uint64_t)s->key[0].accept_from * 1000 <= wall_ms + KEYS_SKEW_MS)
		return 0;
	return err_unsuited(err, -EINVAL,
			    "key file %s: no key is to be used before %s, and it is %s by this "
			    "machine's clock: is that right?",
			    path, keyfile_time(s->key[0].accept_from, from),
			    keyfile_time((int64_t)(wall_ms / 1000), now));
}

/* The file that a setting means, watched; path "": none. */
static int load(struct key_set *s, struct keywatch *w, const char *key_file,
		const struct instance_config *cfg, struct weir_err *err)
{
	char path[PATH_MAX];
	int rc = keyfile_path(path, sizeof(path), key_file, err);

	w->fd = -1;
	w->path[0] = '\0';
	if (rc || !path[0])
		return rc;
	keywatch_open(w, path);
	rc = keyfile_load(s, path, cfg->key_owner, err);
	if (!rc)
		rc = check_begun(s, path, (uint64_t)time(NULL) * 1000, err);
	if (rc)
		keywatch_close(w);
	return rc;
}

static uint8_t shift_for(uint32_t rcvbuf)
{
	uint8_t shift = 0;

	while (shift < 14 && rcvbuf >> shift > 65535)
		shift++;
	return shift;
}

/* What a window may grow to; its shift is agreed on in the handshake. */
static uint32_t largest_rcvbuf(const struct tcp_config *cfg)
{
	return cfg->rcvbuf > cfg->rcvbuf_max ? cfg->rcvbuf : cfg->rcvbuf_max;
}

static int make_random(struct weir_instance *inst, struct weir_err *err)
{
	struct instance_config *cfg = &inst->cfg;
	struct key_set *s = &inst->priv->keys.set;
	uint64_t secret[2];
	int rc = keys_random(secret);

	if (rc)
		return err_set(err, rc, "no random key: %s", strerror(-rc));
	keys_single(s, secret);
	explicit_bzero(secret, sizeof(secret));
	if (cfg->takeover) { /* as the cookies have it that are on their way */
		s->mtu = takeover_offer(cfg->takeover)->key_mtu;
		s->wscale = takeover_offer(cfg->takeover)->key_wscale;
		return 0;
	}
	s->mtu = inst->nif.mtu;
	s->wscale = cfg->wscale >= 0 ? (uint8_t)cfg->wscale
				     : shift_for(largest_rcvbuf(&cfg->engine.tcp));
	return 0;
}

/* As it was given: `credential:NAME` is looked up again with each load. */
static void keep_name(struct weir_instance *inst, const char *key_file)
{
	struct instance_keys *k = &inst->priv->keys;

	if (key_file && key_file != k->name)
		snprintf(k->name, sizeof(k->name), "%s", key_file);
	inst->cfg.key_file = key_file ? k->name : NULL;
}

static void adopt(struct instance_keys *k, const struct key_set *s)
{
	k->set = *s;
	k->fingerprint = keys_set_fingerprint(s);
	k->loaded_at = time(NULL);
	k->error.msg[0] = '\0';
}

/* Whether cookies of the weir whose place this one takes are understood. */
static int check_given(const struct weir_instance *inst, struct weir_err *err)
{
	const struct takeover_offer *o = takeover_offer(inst->cfg.takeover);
	const struct key_set *s = &inst->priv->keys.set;

	if (!!o->keys_shared != instance_keys_shared(inst))
		return err_unsuited(
			err, -EINVAL,
			"--takeover: the running weir has %s, this one would have %s: "
			"handshakes under way would fail; `weir reload` takes a key file "
			"first, or a restart",
			o->keys_shared ? "keys of a file" : "random keys",
			o->keys_shared ? "random ones" : "a file's");
	if (s->wscale != o->key_wscale || s->mtu != o->key_mtu)
		return err_unsuited(
			err, -EINVAL,
			"--takeover: the key file has wscale %u and mtu %u, the running "
			"weir %u and %u: handshakes agree on them, so a restart is needed",
			s->wscale, s->mtu, o->key_wscale, o->key_mtu);
	return 0;
}

int instance_keys_open(struct weir_instance *inst, struct weir_err *err)
{
	struct instance_config *cfg = &inst->cfg;
	struct instance_keys *k = &inst->priv->keys;
	int rc;

	rc = load(&k->set, &k->watch, cfg->key_file, cfg, err);
	if (!rc && !k->watch.path[0])
		rc = make_random(inst, err);
	if (rc)
		return rc;
	if (cfg->wscale >= 0 && cfg->wscale != k->set.wscale)
		return err_unsuited(err, -EINVAL, "--wscale %d: %s fixes it to %u", cfg->wscale,
				    instance_keys_shared(inst) ? "the key file"
							       : "the running weir",
				    k->set.wscale);
	rc = cfg->takeover ? check_given(inst, err) : 0;
	if (rc)
		return rc;
	cfg->engine.tcp.wscale = k->set.wscale;
	keep_name(inst, cfg->key_file);
	if (instance_keys_shared(inst))
		adopt(k, &k->set);
	return 0;
}

void instance_keys_start(struct weir_instance *inst)
{
	struct instance_keys *k = &inst->priv->keys;
	struct weir_gate_config *c = inst->gate->cfg;
	uint64_t wall = gate_wall_ms(inst);

	weir_mss_classes(c->mss_class, k->set.mtu);
	c->wscale = k->set.wscale;
	keys_init(&c->keys, k->set.key[keys_of_epoch(&k->set, weir_epoch(wall))].secret,
		  weir_epoch(wall));
	if (!instance_keys_shared(inst))
		return;
	c->clock.skew_ms = KEYS_SKEW_MS;
	keys_apply(&c->keys, &k->set, wall);
}

void instance_keys_continue(struct weir_instance *inst, const struct takeover_stopped *s)
{
	struct instance_keys *k = &inst->priv->keys;

	inst->gate->cfg->keys = s->keys;
	if (instance_keys_shared(inst))
		keys_apply(&inst->gate->cfg->keys, &k->set, gate_wall_ms(inst));
	else if (inst->cfg.rotate_ms)
		k->rotate_at_us = s->rotate_at_us;
}

void instance_keys_close(struct weir_instance *inst)
{
	keywatch_close(&inst->priv->keys.watch);
}

/* ---- live --------------------------------------------------------------------------------- */

static void tell(const struct weir_instance *inst, uint64_t wall)
{
	const struct instance_keys *k = &inst->priv->keys;
	unsigned now = keys_of_epoch(&k->set, wall >> WEIR_EPOCH_SHIFT);
	const struct key *next = now + 1 < k->set.n ? &k->set.key[now + 1] : NULL;
	char from[KEYFILE_TIME_MAX];

	if (next)
		inst->cfg.log(LOG_NOTICE,
			      "key file %s: %u keys, fingerprint %012" PRIx64 ": key %" PRIu32
			      " issues, key %" PRIu32 " from %s",
			      k->watch.path, k->set.n, k->fingerprint, k->set.key[now].id, next->id,
			      keyfile_time(next->issue_from, from));
	else
		inst->cfg.log(LOG_NOTICE,
			      "key file %s: %u keys, fingerprint %012" PRIx64 ": key %" PRIu32
			      " issues",
			      k->watch.path, k->set.n, k->fingerprint, k->set.key[now].id);
}

static int check_agreed(const struct weir_instance *inst, const struct key_set *s, const char *path,
			struct weir_err *err)
{
	const struct key_set *old = &inst->priv->keys.set;

	if (s->wscale != old->wscale)
		return err_unsuited(
			err, -EINVAL,
			"key file %s: wscale %u, but this weir runs with %u: handshakes "
			"agree on it, so a restart is needed",
			path, s->wscale, old->wscale);
	if (s->mtu != old->mtu)
		return err_unsuited(
			err, -EINVAL,
			"key file %s: mtu %u, but this weir runs with the classes of %u: "
			"cookies hold them, so a restart is needed",
			path, s->mtu, old->mtu);
	return 0;
}

static int load_for(const struct weir_instance *inst, struct key_set *s, struct keywatch *w,
		    const char *key_file, struct weir_err *err)
{
	int rc = load(s, w, key_file, &inst->cfg, err);

	if (!rc && !w->path[0] && instance_keys_shared(inst))
		rc = err_unsuited(err, -EINVAL,
				  "key_file: shared keys become random ones only by a restart");
	if (!rc && w->path[0])
		rc = check_agreed(inst, s, w->path, err);
	if (rc) {
		keywatch_close(w);
		explicit_bzero(s, sizeof(*s));
	}
	return rc;
}

int instance_keys_check(const struct weir_instance *inst, const char *key_file,
			struct weir_err *err)
{
	struct keywatch w;
	struct key_set s;
	int rc = load_for(inst, &s, &w, key_file, err);

	keywatch_close(&w);
	explicit_bzero(&s, sizeof(s));
	return rc;
}

static void apply(struct weir_instance *inst, uint64_t wall)
{
	struct instance_keys *k = &inst->priv->keys;
	unsigned now = keys_of_epoch(&k->set, wall >> WEIR_EPOCH_SHIFT);

	if (keys_apply(&inst->gate->cfg->keys, &k->set, wall))
		inst->cfg.log(
			LOG_WARNING,
			"key file %s: key %" PRIu32
			" is in use already: the file came late, or is another fleet's; "
			"clients of other nodes were refused until now, handshakes of our own "
			"that are under way will be",
			k->watch.path, k->set.key[now].id);
}

int instance_keys_reload(struct weir_instance *inst, const char *key_file, struct weir_err *err)
{
	struct instance_keys *k = &inst->priv->keys;
	uint64_t wall = gate_wall_ms(inst);
	struct keywatch w;
	struct key_set s;
	int rc = load_for(inst, &s, &w, key_file, err);
	bool same;

	if (rc)
		return rc;
	keep_name(inst, key_file);
	if (!w.path[0]) /* random, as before */
		return 0;
	same = !strcmp(w.path, k->watch.path) && keys_set_fingerprint(&s) == k->fingerprint;
	keywatch_close(&k->watch);
	k->watch = w;
	k->error.msg[0] = '\0';
	if (!same) {
		inst->gate->cfg->clock.skew_ms = KEYS_SKEW_MS;
		adopt(k, &s);
		apply(inst, wall);
		tell(inst, wall);
	}
	explicit_bzero(&s, sizeof(s));
	return 0;
}

void instance_keys_status(const struct weir_instance *inst, struct keys_status *s)
{
	const struct instance_keys *k = &inst->priv->keys;

	*s = (struct keys_status){.iface = inst->nif.name, .rotate_ms = inst->cfg.rotate_ms};
	if (!instance_keys_shared(inst))
		return;
	s->path = k->watch.path;
	s->watch = k->watch.fd >= 0 ? "inotify" : "polling";
	s->error = k->error.msg[0] ? k->error.msg : NULL;
	s->loaded_at = k->loaded_at;
	keys_report(&s->report, &k->set, gate_wall_ms(inst));
	s->report.fingerprint = k->fingerprint;
}

void instance_keys_look(struct weir_instance *inst)
{
	struct instance_keys *k = &inst->priv->keys;
	struct weir_err err = {.msg = ""};

	if (!instance_keys_shared(inst))
		return;
	switch (keywatch_look(&k->watch)) {
	case KEYWATCH_SAME:
		return;
	case KEYWATCH_GONE:
		err_set(&err, -ENOENT, "key file %s: it is gone", k->watch.path);
		break;
	case KEYWATCH_CHANGED:
		if (!instance_keys_reload(inst, inst->cfg.key_file, &err))
			return;
		break;
	}
	k->error = err;
	inst->cfg.log(LOG_ERR, "%s: the keys stay as they are", err.msg);
}

static void rotate_random(struct weir_instance *inst, uint64_t now_us)
{
	struct instance_keys *k = &inst->priv->keys;
	uint64_t secret[2];

	if (!inst->cfg.rotate_ms)
		return;
	if (!k->rotate_at_us)
		k->rotate_at_us = now_us + inst->cfg.rotate_ms * 1000;
	if (now_us < k->rotate_at_us)
		return;
	k->rotate_at_us = now_us + inst->cfg.rotate_ms * 1000;
	if (keys_random(secret) ||
	    keys_rotate(&inst->gate->cfg->keys, secret, weir_epoch(gate_wall_ms(inst))))
		k->rotate_at_us = now_us + ROTATE_RETRY_S * SECOND_US;
	else
		inst->cfg.log(LOG_DEBUG, "a new key from the epoch after the next");
	explicit_bzero(secret, sizeof(secret));
}

/* What changes in a file's keys by time alone. */
static void follow_schedule(struct weir_instance *inst)
{
	struct instance_keys *k = &inst->priv->keys;
	uint64_t wall = gate_wall_ms(inst);
	unsigned retired;

	apply(inst, wall);
	retired = keys_retire(&k->set, wall);
	if (retired)
		inst->cfg.log(LOG_NOTICE, "key file %s: %u keys have retired: wiped from memory",
			      k->watch.path, retired);
}

void instance_keys_step(struct weir_instance *inst, uint64_t now_us)
{
	if (instance_keys_shared(inst))
		follow_schedule(inst);
	else
		rotate_random(inst, now_us);
}
