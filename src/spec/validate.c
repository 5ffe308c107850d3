/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rules that the tables cannot state: members that depend on each other, names that go to places
 * where a control character or ".." would mean something, and members that are understood and not
 * executed. Everything is checked before anything is created, so that a refused configuration leaves
 * nothing behind, and the first thing found is reported with the path of its member: or all of it, for
 * who asks (spec_find).
 *
 * The order is that of the document. Checks that need the host (does the source exist, is there such
 * a controller) are not here: they belong to the plan.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "base/path.h"
#include "spec/validate.h"

#define HOSTNAME_MAX 64 /* __NEW_UTS_LEN */

int spec_within(struct err *err, const char *format, ...)
{
	char rest[sizeof(err->message)];
	va_list ap;
	int len;

	memcpy(rest, err->message, sizeof(rest));
	va_start(ap, format);
	len = vsnprintf(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	if (len >= 0 && (size_t)len < sizeof(err->message))
		snprintf(err->message + len, sizeof(err->message) - (size_t)len, ".%s", rest);
	return -1;
}

int spec_check_text(const char *text, struct err *err)
{
	if (!text || !text[0])
		return err_set(err, ERR_INVALID, 0, "must not be empty");
	if (str_has_control(text))
		return err_set(err, ERR_INVALID, 0, "'%s' has control characters", text);
	return 0;
}

int spec_check_optional(const char *text, struct err *err)
{
	return text ? spec_check_text(text, err) : 0;
}

int spec_check_path(const char *path, struct err *err)
{
	own_free char *clean = NULL;

	if (spec_check_text(path, err) < 0)
		return -1;
	if (path[0] != '/')
		return err_set(err, ERR_INVALID, 0, "'%s' is not an absolute path", path);
	if (strlen(path) >= PATH_MAX)
		return err_set(err, ERR_INVALID, 0,
			       "the path is %zu bytes long, at most %d are possible", strlen(path),
			       PATH_MAX - 1);
	return path_clean(path, &clean, err);
}

bool spec_key_has_control(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;

	/* As str_has_control: C0, DEL and, in UTF-8, C1. */
	for (size_t i = 0; i < len; i++)
		if (at[i] < 0x20 || at[i] == 0x7f ||
		    (at[i] == 0xc2 && i + 1 < len && at[i + 1] >= 0x80 && at[i + 1] < 0xa0))
			return true;
	return false;
}

/* "1.3.0", "1.0.2-dev", "1.1.0+build": any 1.x, because minor versions only add members. */
static int check_version(const char *version, struct err *err)
{
	static const char digits[] = "0123456789";
	const char *at = version;
	int parts = 0;

	for (;;) {
		size_t len = strspn(at, digits);

		if (len == 0 || len > 9)
			break;
		parts++;
		at += len;
		if (parts == 3 || *at != '.')
			break;
		at++;
	}
	if (parts != 3 || (*at && *at != '-' && *at != '+') || str_has_control(version))
		return err_set(err, ERR_INVALID, 0, "ociVersion: '%s' is not a version", version);
	if (strncmp(version, "1.", 2) == 0)
		return 0;
	err_set(err, ERR_UNSUPPORTED, 0, "ociVersion: '%s' is not a version 1", version);
	return err_hint(err, "configurations of any 1.x of the runtime specification are accepted");
}

static int check_oci_version(const struct spec *s, struct problems *found, struct err *err)
{
	if (!s->oci_version)
		return err_set(err, ERR_INVALID, 0, "ociVersion: is missing");
	return check_version(s->oci_version, err);
}

static int check_root(const struct spec *s, struct problems *found, struct err *err)
{
	const char *path = s->root_path;

	if (!path)
		return err_set(err, ERR_INVALID, 0, "root: is missing");
	if (spec_check_text(path, err) < 0)
		return err_wrap(err, "root.path");
	if (strspn(path, "/.") == strlen(path) && path[0] == '/') {
		err_set(err, ERR_INVALID, 0, "root.path: '%s' is the host's own root", path);
		return err_hint(err, "'insula run host' makes a container from the host's system");
	}
	return 0;
}

static int check_name(const struct spec *s, const char *member, const char *name, struct err *err)
{
	if (!name)
		return 0;
	if (spec_check_text(name, err) < 0)
		return err_wrap(err, "%s", member);
	if (strlen(name) > HOSTNAME_MAX)
		return err_set(err, ERR_INVALID, 0, "%s: '%.20s...' is longer than %d bytes",
			       member, name, HOSTNAME_MAX);
	if (s->linux_.namespaces[SPEC_NS_UTS].given)
		return 0;
	err_set(err, ERR_INVALID, 0, "%s: cannot be set in the host's uts namespace", member);
	return err_hint(err, "add {\"type\": \"uts\"} to linux.namespaces");
}

static int check_hostname(const struct spec *s, struct problems *found, struct err *err)
{
	return check_name(s, "hostname", s->hostname, err);
}

static int check_domainname(const struct spec *s, struct problems *found, struct err *err)
{
	return check_name(s, "domainname", s->domainname, err);
}

static int check_hooks(const struct spec *s, struct problems *found, struct err *err)
{
	static const char *const members[SPEC_HOOK_COUNT] = {
		[SPEC_HOOK_PRESTART] = "hooks.prestart",
		[SPEC_HOOK_CREATE_RUNTIME] = "hooks.createRuntime",
		[SPEC_HOOK_CREATE_CONTAINER] = "hooks.createContainer",
		[SPEC_HOOK_START_CONTAINER] = "hooks.startContainer",
		[SPEC_HOOK_POSTSTART] = "hooks.poststart",
		[SPEC_HOOK_POSTSTOP] = "hooks.poststop",
	};

	for (size_t i = 0; i < SPEC_HOOK_COUNT; i++)
		for (size_t k = 0; k < s->hooks[i].count; k++) {
			if (spec_check_path(s->hooks[i].items[k].path, err) == 0)
				continue;
			err_wrap(err, "%s[%zu].path", members[i], k);
			if (problems_add(found, err) < 0)
				return -1;
		}
	return 0;
}

static int check_annotation(const char *entry, struct err *err)
{
	size_t key = strcspn(entry, "=");

	if (!spec_key_has_control(entry, key))
		return 0;
	return err_set(err, ERR_INVALID, 0, "annotations: the key '%.*s' has control characters",
		       (int)(key < 128 ? key : 128), entry);
}

/* Of crun's: to start without what they ask for would be another container. */
static const struct {
	const char *key, *reason, *hint;
} refused_annotations[] = {
	{"run.oci.handler",
	 "this runtime executes programs of the machine, and has no other handler",
	 "crun, built with that handler, runs it"},
	{"run.oci.seccomp.plugins", "no code is loaded into this runtime",
	 "an agent that listens at linux.seccomp.listenerPath does it"},
	{"run.oci.systemd.force_cgroup_v1", "no hierarchy is mounted that the host does not have",
	 "what the host has mounted is in a mount of type cgroup, v1 beside v2"},
	{"run.oci.timens_offset", "the specification has a member for it",
	 "linux.timeOffsets, with a namespace of type time"},
};

static int check_refused_annotations(const struct spec *s, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < sizeof refused_annotations / sizeof *refused_annotations; i++) {
		if (!strv_env_get(&s->annotations, refused_annotations[i].key))
			continue;
		err_set(err, ERR_UNSUPPORTED, 0, "annotations[\"%s\"]: %s",
			refused_annotations[i].key, refused_annotations[i].reason);
		err_hint(err, "%s", refused_annotations[i].hint);
		if (problems_add(found, err) < 0)
			return -1;
	}
	return 0;
}

static int check_annotations(const struct spec *s, struct problems *found, struct err *err)
{
	for (size_t i = 0; i < s->annotations.count; i++)
		if (check_annotation(s->annotations.items[i], err) < 0 &&
		    problems_add(found, err) < 0)
			return -1;
	return 0;
}

int spec_check_rules(spec_rule_fn *const *rules, const struct spec *s, struct problems *found,
		     struct err *err)
{
	for (; *rules; rules++)
		if ((*rules)(s, found, err) < 0 && problems_add(found, err) < 0)
			return -1;
	return 0;
}

int spec_validate_all(const struct spec *s, struct problems *found, struct err *err)
{
	static spec_rule_fn *const rules[] = {
		check_oci_version, spec_validate_userns,      spec_validate_process, check_root,
		check_hostname,	   check_domainname,	      spec_validate_mounts,  check_hooks,
		check_annotations, check_refused_annotations, spec_validate_linux,   NULL,
	};

	return spec_check_rules(rules, s, found, err);
}

int spec_validate(const struct spec *s, struct err *err)
{
	return spec_validate_all(s, NULL, err);
}
