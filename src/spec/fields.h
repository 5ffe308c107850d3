/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of this layer share: the field tables below the top one, the macros that keep a row
 * on a line, and the converters for values that are stored in another form than JSON has them.
 *
 * A converter is a pair: bind turns the node into the slot, write turns the slot back. Where a value
 * needs more than one member (a pointer and its count) the slot is the struct that holds both.
 */
#ifndef INSULA_SPEC_FIELDS_H
#define INSULA_SPEC_FIELDS_H

#include <stddef.h>

#include "json/json.h"
#include "spec/spec.h"

#define FIELD(key_, kind_, type_, member_, ...) \
	{ \
		.key = (key_), .kind = JSON_F_##kind_, .offset = offsetof(struct type_, member_), \
		__VA_ARGS__ \
	}

/* An object of the document whose members live in the enclosing struct. */
#define FIELD_FLAT(key_, fields_) \
	{ \
		.key = (key_), .kind = JSON_F_OBJECT, .fields = (fields_) \
	}

/* An array of structs, kept as `member` and a count right after it (struct json_array). */
#define FIELD_ARRAY(key_, type_, member_, fields_, ...) \
	FIELD(key_, ARRAY, type_, member_, .fields = (fields_), \
	      .item_size = sizeof(*((struct type_ *)NULL)->member_), __VA_ARGS__)

#define FIELD_ARRAY_LAYOUT(type_, member_, count_) \
	_Static_assert(offsetof(struct type_, count_) == \
			       offsetof(struct type_, member_) + \
				       offsetof(struct json_array, count), \
		       #type_ "." #count_ " must follow " #member_)

/* A value with code of its own: spec_bind_X and spec_write_X. */
#define FIELD_OWN(key_, converter_, type_, member_, ...) \
	FIELD(key_, CUSTOM, type_, member_, .custom = spec_bind_##converter_, \
	      .custom_write = spec_write_##converter_, __VA_ARGS__)

#define GIVEN(type_, member_) .given_offset = offsetof(struct type_, member_)
#define REQUIRED .required = true
#define RANGE(min_, max_) .min = (min_), .max = (max_)
#define UNSET(value_) .has_unset = true, .unset = (value_)

extern const struct json_field spec_process_fields[];	/* struct spec_process */
extern const struct json_field spec_linux_fields[];	/* struct spec_linux */
extern const struct json_field spec_resources_fields[]; /* struct cgroup_resources */
extern const struct json_field spec_idmap_fields[];	/* struct spec_idmap */

#define CONVERTER(name_) \
	int spec_bind_##name_(const struct json *doc, json_node n, void *slot, struct err *err); \
	void spec_write_##name_(struct json_writer *w, const char *key, const void *slot)

/* convert.c */
CONVERTER(capabilities);    /* uint64_t, array of names */
CONVERTER(gids);	    /* struct spec_user: additional_gids */
CONVERTER(rlimit_type);	    /* int */
CONVERTER(namespaces);	    /* struct spec_namespace[SPEC_NS_COUNT] */
CONVERTER(device_type);	    /* char of "c", "u", "b", "p" */
CONVERTER(rule_type);	    /* char of "a", "b", "c" */
CONVERTER(access);	    /* char[4], subset of "rwm" */
CONVERTER(sched_flags);	    /* uint64_t, array of names */
CONVERTER(mempolicy_flags); /* unsigned int, array of names */
CONVERTER(net_devices);	    /* struct strv "host name=name inside" */
/* An array that must be empty: personality has flags to come. */
int spec_bind_no_flags(const struct json *doc, json_node n, void *slot, struct err *err);
void spec_gids_done(void *slot);
void spec_namespaces_done(void *slot);
void spec_strv_done(void *slot);

/* convert_resources.c */
CONVERTER(weight_devices); /* struct cgroup_resources: io_weight_device, io_leaf_weight_device */
CONVERTER(net_priorities); /* struct strv "interface=priority" */
CONVERTER(rdma);	   /* struct strv "device hca_handle=N hca_object=N" */
void spec_weight_devices_done(void *slot);

/* seccomp.c */
CONVERTER(seccomp_action); /* uint32_t */
CONVERTER(seccomp_op);	   /* int */
CONVERTER(seccomp_archs);  /* struct seccomp_profile: archs */
CONVERTER(seccomp_flags);  /* unsigned int, array of names */
void spec_seccomp_archs_done(void *slot);
extern const struct json_field spec_seccomp_arg_fields[]; /* struct seccomp_arg */

/* JSON_STRING at n, or json_error "must be a string" and NULL. */
const char *spec_want_string(const struct json *doc, json_node n, struct err *err);
/* Is n an array, or an object? Else json_error. */
int spec_want(const struct json *doc, json_node n, enum json_type type, struct err *err);
/* A struct strv from an array or an object, item by item. */
typedef int spec_item_fn(const struct json *doc, json_node n, struct strv *list, struct err *err);
int spec_bind_list(const struct json *doc, json_node n, enum json_type type, spec_item_fn *add,
		   void *slot, struct err *err);

#endif
