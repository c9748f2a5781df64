/* SPDX-License-Identifier: BSD-2-Clause */
#include "control/instance_reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "app/app.h"
#include "control/gate.h"
#include "control/instance_priv.h"

#define WORKERS_MS 1000 /* for all of them to take what they are to listen on */

struct plan {
	struct services *old, *new;
	struct worker_listen *listen; /* that are new, or replaced */
	unsigned nlisten;
	struct weir_addr *gone;
	unsigned ngone;
	struct engine_batch *come, *leave;
};

/* ---- applications that go on --------------------------------------------------------- */

/*
 * What serves an address now goes on for whatever is to serve it next, if that is the same
 * application; one for one.
 */
static void find_heirs(struct plan *p)
{
	for (unsigned i = 0; i < p->old->n; i++)
		p->old->v[i].shared->heir = NULL;
	for (unsigned i = 0; i < p->new->n; i++) {
		struct service_app *next = p->new->v[i].shared;
		const struct service *o = services_find(p->old, &p->new->v[i].addr);

		if (!o || next->goes_on || o->shared->heir || o->app != next->app)
			continue;
		next->goes_on = o->shared;
		o->shared->heir = next;
	}
}

static int start_app(const struct weir_instance *inst, const struct service *v,
		     struct weir_err *err)
{
	char why[256] = "";
	int rc = weir_app_start(v->app_arg, inst->cfg.log, why, sizeof(why));

	return rc ? err_set(err, rc, "%s: %s", v->text, why) : 0;
}

/* Those that begin; before anything is changed. */
static int start_apps(const struct weir_instance *inst, const struct plan *p, struct weir_err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < p->new->n && !rc; i++) {
		if (!p->new->v[i].shared->goes_on && services_first_of_app(p->new, i))
			rc = start_app(inst, &p->new->v[i], err);
	}
	return rc;
}

/* It cannot be made as the new one is: that one serves from now on. */
static void replace(const struct weir_instance *inst, struct service *v, const char *why)
{
	struct weir_err err;

	inst->cfg.log(LOG_INFO, "%s: replaced, connections go on: %s", v->text, why);
	v->shared->goes_on->heir = NULL;
	v->shared->goes_on = NULL;
	if (start_app(inst, v, &err))
		inst->cfg.log(LOG_ERR, "%s", err.msg);
}

static void update_apps(const struct weir_instance *inst, struct plan *p)
{
	char why[256] = "";

	for (unsigned i = 0; i < p->new->n; i++) {
		struct service_app *next = p->new->v[i].shared, *now = next->goes_on;

		if (!now || !services_first_of_app(p->new, i))
			continue;
		next->changed =
			strcmp(now->spec, next->spec) != 0 || !weir_app_same(now->arg, next->arg);
		if (next->changed && weir_app_update(now->arg, next->arg, why, sizeof(why)))
			replace(inst, &p->new->v[i], why);
		else
			weir_app_take_limits(now->arg, next->arg);
	}
}

/* ---- who listens ----------------------------------------------------------------------- */

static struct service_app *app_of(const struct service *v)
{
	return v->shared->goes_on ? v->shared->goes_on : v->shared;
}

static int plan_listeners(struct weir_instance *inst, struct plan *p, struct weir_err *err)
{
	int rc;

	p->listen = calloc(p->new->n + 1, sizeof(*p->listen));
	p->gone = calloc(p->old->n + 1, sizeof(*p->gone));
	if (!p->listen || !p->gone)
		return err_set(err, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < p->new->n; i++) {
		const struct service *v = &p->new->v[i], *o = services_find(p->old, &v->addr);
		struct service_app *app = app_of(v);

		if (!o || o->shared != app)
			p->listen[p->nlisten++] = (struct worker_listen){.addr = v->addr,
									 .app = app->app,
									 .arg = app->arg,
									 .users = &app->users};
	}
	for (unsigned i = 0; i < p->old->n; i++) {
		if (!services_find(p->new, &p->old->v[i].addr))
			p->gone[p->ngone++] = p->old->v[i].addr;
	}
	rc = engine_batch(&p->come, inst->engine, p->listen, p->nlisten, NULL, 0);
	if (!rc)
		rc = engine_batch(&p->leave, inst->engine, NULL, 0, p->gone, p->ngone);
	return rc ? err_set(err, rc, "the workers cannot listen: %s", strerror(-rc)) : 0;
}

/* Of an application whose state a connection has no room for. */
static int check_room(const struct weir_instance *inst, const struct plan *p, struct weir_err *err)
{
	for (unsigned i = 0; i < p->new->n; i++) {
		const struct service *v = &p->new->v[i];

		if (v->app->conn_size > engine_state_max(inst->engine))
			return err_unsuited(err, -EINVAL,
					    "%s: connections have no room for %s: restart weir",
					    v->text, v->app->name);
	}
	return 0;
}

/* ---- the gate ---------------------------------------------------------------------------- */

static bool same_mode(const struct service_mode *a, const struct service_mode *b)
{
	return a->mode == b->mode && a->syn_per_sec == b->syn_per_sec && a->hold_ms == b->hold_ms;
}

static void leave_gate(struct weir_instance *inst, const struct plan *p)
{
	for (unsigned i = 0; i < p->ngone; i++)
		gate_unlisten(inst->gate, services_find(p->old, &p->gone[i])->gate_id);
}

/*
 * What `weir mode` has set stays until the file says something else than it did; limits are
 * the file's alone.
 */
static void set_mode(struct weir_instance *inst, const struct service *v,
		     const struct service_mode *before, const struct service_mode *m)
{
	struct service_mode now = *m;

	if (before->mode == m->mode)
		now.mode = gate_service_mode_now(inst->gate, v->gate_id);
	if (now.mode != m->mode)
		inst->cfg.log(LOG_NOTICE,
			      "%s: the mode stays %s, as weir mode has set it; the file "
			      "says %s as before",
			      v->text, service_mode_name(now.mode), service_mode_name(m->mode));
	gate_service_set(inst->gate, v->gate_id, &now);
}

/* One whose mode is other than before, or who is served by another thing, has changed. */
static int enter_gate(struct weir_instance *inst, struct plan *p, const struct service_mode *common,
		      struct instance_changes *done)
{
	int failed = 0;

	for (unsigned i = 0; i < p->new->n; i++) {
		struct service *v = &p->new->v[i];
		const struct service *o = services_find(p->old, &v->addr);
		const struct service_mode m = service_mode_of(v, common);
		struct service_mode before;
		int id;

		if (!o) {
			id = gate_listen(inst->gate, &v->addr, &m);
			v->gate_id = (uint16_t)(id < 0 ? WEIR_MAX_SERVICES : id);
			failed = id < 0 ? id : failed;
			done->added++;
			continue;
		}
		v->gate_id = o->gate_id;
		before = service_mode_of(o, &inst->cfg.mode);
		set_mode(inst, v, &before, &m);
		if (o->shared != app_of(v) || v->shared->changed || !same_mode(&before, &m))
			done->changed++;
		else
			done->kept++;
	}
	done->removed = p->ngone;
	return failed;
}

/* ---- what is left behind ------------------------------------------------------------------ */

static void retire(struct weir_instance *inst, struct service_app *a)
{
	atomic_fetch_add_explicit(&a->users, 1, memory_order_relaxed);
	a->retired = inst->priv->retired;
	inst->priv->retired = a;
}

/* Hands over to the new services what goes on, and keeps for their connections what does not. */
static void settle(struct weir_instance *inst, struct plan *p)
{
	for (unsigned i = 0; i < p->old->n; i++) {
		struct service_app *a = p->old->v[i].shared;

		if (services_first_of_app(p->old, i) && !a->heir)
			retire(inst, a);
	}
	for (unsigned i = 0; i < p->new->n; i++) {
		struct service *v = &p->new->v[i];
		struct service_app *next = v->shared, *now = app_of(v);

		if (now == next)
			continue;
		atomic_fetch_add_explicit(&now->users, 1, memory_order_relaxed);
		if (i + 1 == p->new->n || p->new->v[i + 1].shared != next) {
			/* The words of which it is made now. */
			free(now->spec);
			now->spec = next->spec;
			next->spec = NULL;
		}
		v->shared = now;
		v->app_arg = now->arg;
		service_app_put(next);
	}
}

void instance_reap(struct weir_instance *inst, bool all)
{
	struct service_app **at = &inst->priv->retired, *a;

	while ((a = *at)) {
		/* acquire: what the workers did with it is done */
		if (!all && atomic_load_explicit(&a->users, memory_order_acquire) > 1) {
			weir_app_step(a->arg, inst->priv->step_us);
			at = &a->retired;
			continue;
		}
		*at = a->retired;
		service_app_put(a);
	}
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int check(struct weir_instance *inst, const struct instance_config *next,
		 const struct plan *p, struct weir_err *err)
{
	int rc;

	if (inst->draining)
		return err_set(err, -ESHUTDOWN, "weir is stopping");
	rc = check_room(inst, p, err);
	if (!rc)
		rc = instance_keys_check(inst, next->key_file, err);
	if (!rc)
		rc = start_apps(inst, p, err);
	return rc;
}

static void commit(struct weir_instance *inst, const struct instance_config *next, struct plan *p,
		   struct instance_changes *done)
{
	bool all;
	int rc;

	all = engine_batch_post(inst->engine, p->come, WORKERS_MS);
	p->come = NULL;
	if (!all)
		inst->cfg.log(LOG_WARNING, "a worker takes its time to listen on new services");
	leave_gate(inst, p);
	rc = enter_gate(inst, p, &next->mode, done);
	if (rc)
		inst->cfg.log(LOG_ERR, "a service cannot be told to the gate: %s", strerror(-rc));
	engine_batch_post(inst->engine, p->leave, 0);
	p->leave = NULL;
	settle(inst, p);
	inst->cfg.services = p->new;
	inst->cfg.mode = next->mode;
	inst->cfg.policy = next->policy;
	inst->cfg.rotate_ms = next->rotate_ms;
	instance_event_limits(inst, &next->events);
	instance_warn_of_foreign(inst, p->new, p->old);
}

int instance_reload(struct weir_instance *inst, const struct instance_config *next,
		    struct instance_changes *done, struct weir_err *err)
{
	struct plan p = {.old = inst->cfg.services, .new = next->services};
	int rc;

	memset(done, 0, sizeof(*done));
	find_heirs(&p);
	rc = check(inst, next, &p, err);
	if (!rc && next->policy)
		rc = instance_policy(inst, next->policy, err);
	if (!rc)
		rc = instance_keys_reload(inst, next->key_file, err);
	if (rc)
		return rc;
	update_apps(inst, &p);
	rc = plan_listeners(inst, &p, err);
	if (!rc)
		commit(inst, next, &p, done);
	engine_batch_drop(p.come);
	engine_batch_drop(p.leave);
	free(p.listen);
	free(p.gone);
	return rc;
}
