/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Converters of linux.resources: the three places where the document's shape and the cgroup layer's
 * differ. A weight device holds two weights in one object, which are two files of the controller and
 * therefore two lists; network priorities and RDMA limits are kept as the lines that the kernel's
 * files take. The names in those lines come from the document: one with a space, an equals sign or a
 * control character could add a second field to the line, and is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "spec/fields.h"

/* A word of a line that goes into a cgroup file. */
static bool is_word(const char *text)
{
	return text && text[0] && strlen(text) < 128 && !strpbrk(text, " \t=/") &&
	       !str_has_control(text);
}

/* ---- blockIO.weightDevice ---- */

struct weight_device {
	int64_t major, minor;
	uint64_t weight, leaf_weight; /* 0: not given */
};

static const struct json_field weight_device_fields[] = {
	FIELD("major", I64, weight_device, major, REQUIRED, RANGE(0, UINT32_MAX)),
	FIELD("minor", I64, weight_device, minor, REQUIRED, RANGE(0, UINT32_MAX)),
	FIELD("weight", U64, weight_device, weight, RANGE(0, 1000)),
	FIELD("leafWeight", U64, weight_device, leaf_weight, RANGE(0, 1000)),
	{0},
};

static int throttles_alloc(struct cgroup_throttles *t, size_t count, struct err *err)
{
	free(t->items);
	*t = (struct cgroup_throttles){.items = calloc(count, sizeof(*t->items))};
	return t->items ? 0 : err_set(err, ERR_LIMIT, 0, "out of memory");
}

static void throttles_add(struct cgroup_throttles *t, const struct weight_device *dev,
			  uint64_t rate)
{
	if (rate)
		t->items[t->count++] = (struct cgroup_throttle){dev->major, dev->minor, rate};
}

int spec_bind_weight_devices(const struct json *doc, json_node n, void *slot, struct err *err)
{
	struct cgroup_resources *r = slot;
	size_t count;

	if (spec_want(doc, n, JSON_ARRAY, err) < 0)
		return -1;
	count = json_count(doc, n);
	if (count == 0)
		return 0;
	if (throttles_alloc(&r->io_weight_device, count, err) < 0 ||
	    throttles_alloc(&r->io_leaf_weight_device, count, err) < 0)
		return -1;
	for (json_node i = json_first(doc, n); i != JSON_NONE; i = json_next(doc, i)) {
		struct weight_device dev = {0};

		if (json_bind(doc, i, weight_device_fields, JSON_UNKNOWN_ALLOW, &dev, err) < 0 &&
		    json_note(doc, err) < 0)
			return -1;
		throttles_add(&r->io_weight_device, &dev, dev.weight);
		throttles_add(&r->io_leaf_weight_device, &dev, dev.leaf_weight);
	}
	return 0;
}

static void write_weights(struct json_writer *w, const struct cgroup_throttles *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++) {
		json_write_object(w);
		json_write_member_i64(w, "major", t->items[i].major);
		json_write_member_i64(w, "minor", t->items[i].minor);
		json_write_member_u64(w, name, t->items[i].rate);
		json_write_end(w, '}');
	}
}

void spec_write_weight_devices(struct json_writer *w, const char *key, const void *slot)
{
	const struct cgroup_resources *r = slot;

	if (!r->io_weight_device.count && !r->io_leaf_weight_device.count)
		return;
	json_write_key(w, key);
	json_write_array(w);
	write_weights(w, &r->io_weight_device, "weight");
	write_weights(w, &r->io_leaf_weight_device, "leafWeight");
	json_write_end(w, ']');
}

void spec_weight_devices_done(void *slot)
{
	struct cgroup_resources *r = slot;

	free(r->io_weight_device.items);
	free(r->io_leaf_weight_device.items);
	r->io_weight_device = r->io_leaf_weight_device = (struct cgroup_throttles){0};
}

/* ---- network.priorities ---- */

struct net_priority {
	char *name;
	uint32_t priority;
};

static const struct json_field net_priority_fields[] = {
	FIELD("name", STRING, net_priority, name, REQUIRED),
	FIELD("priority", U32, net_priority, priority, REQUIRED),
	{0},
};

static int net_priority_add(const struct json *doc, json_node n, struct strv *list, struct err *err)
{
	struct net_priority item = {0};
	int rc;

	if (json_bind(doc, n, net_priority_fields, JSON_UNKNOWN_ALLOW, &item, err) < 0)
		return -1;
	rc = is_word(item.name)
		     ? strv_addf(list, err, "%s=%u", item.name, item.priority)
		     : json_error(doc, n, err, "'%s' is not the name of a network interface",
				  item.name);
	json_bind_done(net_priority_fields, &item);
	return rc;
}

int spec_bind_net_priorities(const struct json *doc, json_node n, void *slot, struct err *err)
{
	return spec_bind_list(doc, n, JSON_ARRAY, net_priority_add, slot, err);
}

void spec_write_net_priorities(struct json_writer *w, const char *key, const void *slot)
{
	const struct strv *list = slot;

	if (!list->count)
		return;
	json_write_key(w, key);
	json_write_array(w);
	for (size_t i = 0; i < list->count; i++) {
		const char *value = strrchr(list->items[i], '=');
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)(value - list->items[i]), list->items[i]);
		json_write_object(w);
		json_write_member(w, "name", name);
		json_write_member_u64(w, "priority", strtoul(value + 1, NULL, 10));
		json_write_end(w, '}');
	}
	json_write_end(w, ']');
}

/* ---- rdma ---- */

struct rdma_limit {
	uint32_t handles, objects;
	bool handles_given, objects_given;
};

static const struct json_field rdma_fields[] = {
	FIELD("hcaHandles", U32, rdma_limit, handles, GIVEN(rdma_limit, handles_given)),
	FIELD("hcaObjects", U32, rdma_limit, objects, GIVEN(rdma_limit, objects_given)),
	{0},
};

static int rdma_line(const struct json *doc, json_node n, struct strv *list, struct err *err)
{
	const char *device = json_key(doc, n);
	own(str) struct str line = STR_INIT(256);
	struct rdma_limit limit = {0};

	if (json_bind(doc, n, rdma_fields, JSON_UNKNOWN_ALLOW, &limit, err) < 0)
		return -1;
	if (!is_word(device))
		return json_error(doc, n, err, "is not the name of an RDMA device");
	if (!limit.handles_given && !limit.objects_given)
		return json_error(doc, n, err, "needs hcaHandles or hcaObjects");
	str_add(&line, device);
	if (limit.handles_given)
		str_addf(&line, " hca_handle=%u", limit.handles);
	if (limit.objects_given)
		str_addf(&line, " hca_object=%u", limit.objects);
	if (str_check(&line, "an RDMA limit", err) < 0)
		return -1;
	return strv_take(list, str_take(&line), err);
}

int spec_bind_rdma(const struct json *doc, json_node n, void *slot, struct err *err)
{
	return spec_bind_list(doc, n, JSON_OBJECT, rdma_line, slot, err);
}

static void write_rdma_value(struct json_writer *w, const char *key, const char *line,
			     const char *mark)
{
	const char *found = strstr(line, mark);

	if (!found)
		return;
	json_write_member_u64(w, key, strtoul(found + strlen(mark), NULL, 10));
}

void spec_write_rdma(struct json_writer *w, const char *key, const void *slot)
{
	const struct strv *list = slot;

	if (!list->count)
		return;
	json_write_key(w, key);
	json_write_object(w);
	for (size_t i = 0; i < list->count; i++) {
		const char *line = list->items[i];
		char device[128];

		snprintf(device, sizeof(device), "%.*s", (int)strcspn(line, " "), line);
		json_write_key(w, device);
		json_write_object(w);
		write_rdma_value(w, "hcaHandles", line, " hca_handle=");
		write_rdma_value(w, "hcaObjects", line, " hca_object=");
		json_write_end(w, '}');
	}
	json_write_end(w, '}');
}
