/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The features document. Nothing in it is written down twice: words come from the tables that parse, and
 * whether one is listed is decided by validation, which is shown the smallest configuration that uses it.
 * So what a configuration may not say is not promised, and a word that is added to a table is listed.
 *
 * Annotations are looked at by prefix where an engine lets images choose them: those that change what is
 * done on the host are named as potentially unsafe, as features.md asks.
 */
#include "runtime/feature_list.h"

#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "json/json.h"
#include "kernel/seccomp.h"
#include "kernel/support.h"
#include "runtime/hooks.h"
#include "spec/mount_options.h"
#include "spec/names.h"
#include "spec/spec.h"

#define OCI_VERSION_MIN "1.0.0"
#define PROBE_MAX 1024

static const char *const unsafe_annotations[] = {
	"run.oci.",
	"org.systemd.property.",
	NULL,
};

/* Would a configuration with these members be accepted? */
static bool accepts(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool accepts(const char *format, ...)
{
	char members[PROBE_MAX / 2], text[PROBE_MAX];
	own(spec) struct spec spec = {0};
	struct err ignored = ERR_INIT;
	va_list ap;
	int len;

	va_start(ap, format);
	vsnprintf(members, sizeof(members), format, ap);
	va_end(ap);
	len = snprintf(text, sizeof(text),
		       "{\"ociVersion\":\"" SPEC_OCI_VERSION "\",\"root\":{\"path\":\"r\"},"
		       "\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"},%s}",
		       members);
	spec_init(&spec);
	return spec_parse(text, (size_t)len, "probe", &spec, &ignored) == 0 &&
	       spec_validate(&spec, &ignored) == 0;
}

#define LINUX(members_) \
	"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"}]," members_ "}"

/* ---- small parts ---- */

static void list(struct json_writer *w, const char *key)
{
	json_write_key(w, key);
	json_write_array(w);
}

static void object(struct json_writer *w, const char *key)
{
	json_write_key(w, key);
	json_write_object(w);
}

/* "KEY": {"enabled": VALUE} */
static void enabled(struct json_writer *w, const char *key, bool value)
{
	object(w, key);
	json_write_member_bool(w, "enabled", value);
	json_write_end(w, '}');
}

static void names(struct json_writer *w, const char *key, const struct json_name *table)
{
	list(w, key);
	for (; table->name; table++)
		json_write_string(w, table->name);
	json_write_end(w, ']');
}

/* ---- sections ---- */

static void write_hooks(struct json_writer *w)
{
	list(w, "hooks");
	for (enum spec_hook_kind kind = 0; kind < SPEC_HOOK_COUNT; kind++)
		if (accepts("\"hooks\":{\"%s\":[{\"path\":\"/x\"}]}," LINUX("\"sysctl\":{}"),
			    hooks_name(kind)))
			json_write_string(w, hooks_name(kind));
	json_write_end(w, ']');
}

static void write_mount_options(struct json_writer *w)
{
	list(w, "mountOptions");
	for (size_t i = 0; mount_option_name_at(i); i++)
		json_write_string(w, mount_option_name_at(i));
	json_write_end(w, ']');
}

static void write_capabilities(struct json_writer *w)
{
	list(w, "capabilities");
	for (int cap = 0; cap < 64 && caps_name(cap); cap++)
		json_write_string(w, caps_name(cap));
	json_write_end(w, ']');
}

static void write_cgroup(struct json_writer *w)
{
	object(w, "cgroup");
	json_write_member_bool(w, "v1", true);
	json_write_member_bool(w, "v2", true);
	json_write_member_bool(w, "systemd", true);
	json_write_member_bool(w, "systemdUser", true);
	json_write_member_bool(
		w, "rdma", accepts(LINUX("\"resources\":{\"rdma\":{\"x\":{\"hcaHandles\":1}}}")));
	json_write_end(w, '}');
}

static void seccomp_names(struct json_writer *w, const char *key, const struct seccomp_name *table)
{
	list(w, key);
	for (; table->name; table++)
		json_write_string(w, table->name);
	json_write_end(w, ']');
}

/* An action that asks somebody else needs to be told whom. */
static void write_actions(struct json_writer *w)
{
	list(w, "actions");
	for (const struct seccomp_name *action = seccomp_actions; action->name; action++)
		if (accepts(LINUX("\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",%"
				  "s\"syscalls\":"
				  "[{\"names\":[\"x\"],\"action\":\"%s\"}]}"),
			    str_eq(action->name, "SCMP_ACT_NOTIFY") ? "\"listenerPath\":\"/x\","
								    : "",
			    action->name))
			json_write_string(w, action->name);
	json_write_end(w, ']');
}

static void write_supported_flags(struct json_writer *w)
{
	list(w, "supportedFlags");
	for (const struct seccomp_name *name = seccomp_flags; name->name; name++)
		if (support_seccomp_flags(name->value))
			json_write_string(w, name->name);
	json_write_end(w, ']');
}

static void write_seccomp(struct json_writer *w)
{
	object(w, "seccomp");
	json_write_member_bool(w, "enabled", true);
	write_actions(w);
	seccomp_names(w, "operators", seccomp_ops);
	seccomp_names(w, "archs", seccomp_archs);
	seccomp_names(w, "knownFlags", seccomp_flags);
	write_supported_flags(w);
	json_write_end(w, '}');
}

static void write_intel_rdt(struct json_writer *w)
{
	object(w, "intelRdt");
	json_write_member_bool(w, "enabled", accepts(LINUX("\"intelRdt\":{\"closID\":\"x\"}")));
	json_write_member_bool(w, "schemata",
			       accepts(LINUX("\"intelRdt\":{\"schemata\":[\"L3:0=f\"]}")));
	json_write_member_bool(w, "monitoring",
			       accepts(LINUX("\"intelRdt\":{\"enableMonitoring\":true}")));
	json_write_end(w, '}');
}

static void write_memory_policy(struct json_writer *w)
{
	object(w, "memoryPolicy");
	names(w, "modes", spec_mempolicy_modes);
	names(w, "flags", spec_mempolicy_flags);
	json_write_end(w, '}');
}

static void write_linux(struct json_writer *w)
{
	object(w, "linux");
	names(w, "namespaces", spec_namespace_names);
	write_capabilities(w);
	write_cgroup(w);
	write_seccomp(w);
	enabled(w, "apparmor", true);
	enabled(w, "selinux", true);
	write_intel_rdt(w);
	write_memory_policy(w);
	object(w, "mountExtensions");
	enabled(w, "idmap",
		accepts("\"mounts\":[{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"/x\","
			"\"options\":[\"bind\",\"idmap\"],"
			"\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],"
			"\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]}]," LINUX(
				"\"sysctl\":{}")));
	json_write_end(w, '}');
	enabled(w, "netDevices", accepts(LINUX("\"netDevices\":{\"x\":{}}")));
	json_write_end(w, '}');
}

int runtime_features_print(unsigned int indent, struct str *out, struct err *err)
{
	struct json_writer w;

	json_writer_init(&w, out, indent);
	json_write_object(&w);
	json_write_member(&w, "ociVersionMin", OCI_VERSION_MIN);
	json_write_member(&w, "ociVersionMax", SPEC_OCI_VERSION);
	write_hooks(&w);
	write_mount_options(&w);
	write_linux(&w);
	object(&w, "annotations");
	json_write_member(&w, "insula.version", INSULA_VERSION);
	json_write_end(&w, '}');
	list(&w, "potentiallyUnsafeConfigAnnotations");
	for (size_t i = 0; unsafe_annotations[i]; i++)
		json_write_string(&w, unsafe_annotations[i]);
	json_write_end(&w, ']');
	json_write_end(&w, '}');
	return str_check(out, "the features", err);
}
