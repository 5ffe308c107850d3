/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits on disks: --blkio-weight, --blkio-weight-device, and the four of --device-read-bps and its kin. A
 * disk is named by its device node, and only its number goes into the specification.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/own.h"
#include "engine/request.h"

enum rate_unit { RATE_BYTES, RATE_COUNT, RATE_WEIGHT };

static int parse_rate(const char *text, enum rate_unit unit, const char *flag, uint64_t *ret,
		      struct err *err)
{
	if (unit == RATE_BYTES)
		return str_to_bytes(text, flag, ret, err);
	if (unit == RATE_WEIGHT)
		return str_to_u64(text, 10, 1000, flag, ret, err);
	return str_to_u64(text, 0, INT64_MAX, flag, ret, err);
}

static int add_throttle(struct cgroup_throttles *list, const struct cgroup_throttle *item,
			struct err *err)
{
	struct cgroup_throttle *grown = reallocarray(list->items, list->count + 1, sizeof *grown);

	if (!grown)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot plan limits on disks");
	list->items = grown;
	list->items[list->count++] = *item;
	return 0;
}

/* DEVICE:RATE. No rate is no limit, which can be said only where there may be one. */
static int add_device(const char *text, enum rate_unit unit, const char *flag, bool update,
		      struct cgroup_throttles *list, struct err *err)
{
	const char *colon = strrchr(text, ':');
	own_free char *path = str_dup_len(text, colon ? (size_t)(colon - text) : 0, err);
	struct cgroup_throttle item = {0};
	struct stat st;

	if (!path)
		return -1;
	if (!colon || colon == text)
		return err_set(err, ERR_USAGE, 0, "%s: '%s' is not DEVICE:%s", flag, text,
			       unit == RATE_BYTES ? "BYTES" : "N");
	if (parse_rate(colon + 1, unit, flag, &item.rate, err) < 0)
		return -1;
	if (!item.rate && !update)
		return err_set(err, ERR_USAGE, 0, "%s: '%s' lets nothing through", flag, text);
	if (stat(path, &st) < 0)
		return err_errno(err, "%s: '%s'", flag, path);
	if (!S_ISBLK(st.st_mode)) {
		err_set(err, ERR_USAGE, 0, "%s: '%s' is not a disk", flag, path);
		return err_hint(err, "a block device, such as those that lsblk(8) lists");
	}
	item.major = major(st.st_rdev);
	item.minor = minor(st.st_rdev);
	return add_throttle(list, &item, err);
}

int request_io(const struct run_options *options, bool update, struct cgroup_resources *r,
	       struct err *err)
{
	const struct {
		const struct strv *texts;
		enum rate_unit unit;
		const char *flag;
		struct cgroup_throttles *list;
	} rows[] = {
		{&options->blkio_weight_devices, RATE_WEIGHT, "--blkio-weight-device",
		 &r->io_weight_device},
		{&options->read_bps, RATE_BYTES, "--device-read-bps", &r->io_read_bps},
		{&options->write_bps, RATE_BYTES, "--device-write-bps", &r->io_write_bps},
		{&options->read_iops, RATE_COUNT, "--device-read-iops", &r->io_read_iops},
		{&options->write_iops, RATE_COUNT, "--device-write-iops", &r->io_write_iops},
	};

	if (options->blkio_weight)
		r->io_weight = (int64_t)options->blkio_weight;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t k = 0; k < rows[i].texts->count; k++)
			if (add_device(rows[i].texts->items[k], rows[i].unit, rows[i].flag, update,
				       rows[i].list, err) < 0)
				return -1;
	return 0;
}
