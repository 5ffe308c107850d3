/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * P's steps about resctrl, network devices and scheduling. Unlike mounts these leave traces outside the
 * container's namespaces, so a start that fails undoes them: a group is removed, a device goes back to
 * where it was with what it had. A virtual device would otherwise die with the container's network
 * namespace, though all that was wrong was a command that does not exist.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/fd.h"
#include "base/own.h"
#include "kernel/netdev.h"
#include "kernel/netlink.h"
#include "runtime/start.h"

/* ---- resctrl ---- */

static int open_resctrl(const char *place, struct err *err)
{
	int fd = resctrl_open(place ? place : RESCTRL_PLACE, place != NULL, err);

	return fd < 0 ? err_wrap(err, "linux.intelRdt") : fd;
}

int start_resctrl(struct start *s, const struct step *step, struct err *err)
{
	const struct runtime_request *r = &s->plan->request;
	own_fd int fd = open_resctrl(r->resctrl, err);

	if (fd < 0)
		return -1;
	if (resctrl_prepare(fd, s->plan->spec->linux_.intel_rdt, r->id, &s->fields.resctrl_made,
			    err) < 0)
		return err_wrap(err, "linux.intelRdt");
	s->fields.resctrl_fd = take_fd(fd);
	return 0;
}

int start_resctrl_join(struct start *s, const struct step *step, struct err *err)
{
	if (resctrl_assign(s->fields.resctrl_fd, s->plan->spec->linux_.intel_rdt,
			   s->plan->request.id, s->child.pid, err) < 0)
		return err_wrap(err, "linux.intelRdt");
	return 0;
}

int runtime_resctrl_remove(const struct spec *spec, const char *id, const char *place,
			   struct err *err)
{
	struct err absent = ERR_INIT;

	if (fail_point("resctrl.remove", err) < 0)
		return -1;
	if (!spec->linux_.intel_rdt)
		return 0;
	own_fd int fd = open_resctrl(place, &absent);
	return fd < 0 ? 0 : resctrl_remove(fd, spec->linux_.intel_rdt, id, err);
}

/* ---- network devices ---- */

/* "eth0=inside" */
static const char *split_item(const char *item, char *host, size_t size)
{
	size_t len = strcspn(item, "=");

	if (len >= size)
		len = size - 1;
	memcpy(host, item, len);
	host[len] = '\0';
	return strchr(item, '=') + 1;
}

int start_net_source(struct start *s, const struct step *step, struct err *err)
{
	const struct strv *items = &s->plan->spec->linux_.net_devices;
	struct start_fields *f = &s->fields;
	char host[IFNAMSIZ];

	if (!f->net_devices)
		f->net_devices = calloc(items->count, sizeof *f->net_devices);
	if (!f->net_devices)
		return err_set(err, ERR_LIMIT, ENOMEM, "linux.netDevices");
	f->net_device_count = items->count;
	if (f->net_fd < 0)
		f->net_fd = netlink_open(err);
	split_item(items->items[step->index], host, sizeof host);
	if (f->net_fd < 0 || netdev_find(f->net_fd, host, &f->net_devices[step->index], err) < 0)
		return err_wrap(err, "linux.netDevices");
	return 0;
}

int start_net_device(struct start *s, const struct step *step, struct err *err)
{
	struct start_fields *f = &s->fields;
	char host[IFNAMSIZ];
	const char *name = split_item(s->plan->spec->linux_.net_devices.items[step->index], host,
				      sizeof host);
	own_fd int ns_fd = ns_open(s->proc_fd, 0, NS_NET, err);

	if (ns_fd < 0)
		return -1;
	if (f->inside_net_fd < 0)
		f->inside_net_fd = netlink_open(err);
	if (f->inside_net_fd < 0 ||
	    netdev_move(&f->net_devices[step->index], f->net_fd, s->own_ns[NS_NET],
			f->inside_net_fd, ns_fd, name, err) < 0)
		return err_wrap(err, "linux.netDevices");
	return 0;
}

/* ---- scheduling ---- */

/* Not before C is in its control groups: they would refuse one with a real-time policy that has no share
 * of them, without a word about why. */
int start_scheduler(struct start *s, const struct step *step, struct err *err)
{
	const struct waiting waiting = start_waiting(s);

	if (await_word(&waiting, err) < 0)
		return -1;
	return apply_scheduler(s->child.pid, &s->plan->spec->process, err);
}

int start_io_priority(struct start *s, const struct step *step, struct err *err)
{
	return apply_io_priority(s->child.pid, &s->plan->spec->process, err);
}

/* ---- the end ---- */

void start_fields_keep(struct start_fields *f)
{
	fd_close(take_fd(f->resctrl_fd));
	for (size_t i = 0; i < f->net_device_count; i++)
		f->net_devices[i].inside = 0;
}

void start_fields_done(struct start *s)
{
	struct start_fields *f = &s->fields;
	struct err ignored = ERR_INIT;

	for (size_t i = f->net_device_count; i-- > 0;) {
		if (f->net_devices[i].inside)
			netdev_return(&f->net_devices[i], f->net_fd, s->own_ns[NS_NET],
				      f->inside_net_fd, &ignored);
		netdev_done(&f->net_devices[i]);
	}
	free(f->net_devices);
	fd_close(f->net_fd);
	fd_close(f->inside_net_fd);
	if (f->resctrl_fd >= 0)
		resctrl_undo(f->resctrl_fd, s->plan->spec->linux_.intel_rdt, s->plan->request.id,
			     f->resctrl_made, &ignored);
	fd_close(f->resctrl_fd);
	*f = START_FIELDS_INIT;
}
