/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime spec: a configuration to begin with, as config.json of the bundle. A file that is
 * there is somebody's work, and is never written over.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/oci_bundle.h"

#define INDENT 4
#define FILE_NAME "config.json"

struct spec_options {
	char *bundle, *output;
	bool rootless;
};

static const struct opt spec_table[] = {
	{"bundle", 'b', OPT_STRING, offsetof(struct spec_options, bundle), .value_name = "DIR",
	 .help = "directory that config.json is written to (default: .)", .complete = "dir"},
	{"rootless", 0, OPT_BOOL, offsetof(struct spec_options, rootless),
	 .help = "for who is not root: a user namespace, no limits, the host's network"},
	{"output", 'o', OPT_STRING, offsetof(struct spec_options, output), .value_name = "FILE",
	 .help = "another file; - for the standard output", .complete = "file"},
	{"file", 'f', OPT_STRING, offsetof(struct spec_options, output), .value_name = "FILE",
	 .help = "the same as --output, as crun has it", .complete = "file", .other_name = true},
	{0},
};

/* Those whose name we have leave the cgroup namespace out where a host has v1, as the engines expect that
 * look into /proc/PID/cgroup of a container. */
static int follow_peers(const struct oci *oci, struct spec *spec, struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};

	if (oci->persona == OCI_INSULA)
		return 0;
	if (cgroup_host_probe(AT_FDCWD, &host, err) < 0)
		return -1;
	if (host.mode != CGROUP_V2)
		spec->linux_.namespaces[SPEC_NS_CGROUP].given = false;
	return 0;
}

static int make_text(const struct oci *oci, const struct spec_options *options, struct str *text,
		     struct err *err)
{
	own(spec) struct spec spec = {0};

	spec_init(&spec);
	if (spec_default(&spec, err) < 0 || follow_peers(oci, &spec, err) < 0)
		return -1;
	if (options->rootless && spec_default_rootless(&spec, geteuid(), getegid(), err) < 0)
		return -1;
	if (spec_print(&spec, INDENT, text, err) < 0)
		return -1;
	str_add_char(text, '\n');
	return str_check(text, "the configuration", err);
}

static int write_file(int dir_fd, const char *name, const struct str *text, struct err *err)
{
	if (file_create_excl(dir_fd, name, text->data, text->len, 0644, false, err) == 0)
		return 0;
	if (err->kind != ERR_EXISTS)
		return -1;
	err_set(err, ERR_EXISTS, 0, "%s is there already", name);
	return err_hint(err, "remove it first, or see another with --output -");
}

static int write_path(const char *path, const struct str *text, struct err *err)
{
	const char *slash = strrchr(path, '/');
	own_free char *dir = slash ? str_dup_len(path, (size_t)(slash - path) + 1, err)
				   : str_dup(".", err);
	own_fd int dir_fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (dir && dir_fd < 0)
		return err_errno(err, "cannot open '%s'", dir);
	return dir ? write_file(dir_fd, slash ? slash + 1 : path, text, err) : -1;
}

static int run_spec(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct spec_options *options = values;
	const char *bundle = options->bundle ? options->bundle : ".";
	own(str) struct str text = STR_INIT(1u << 20);
	own_fd int bundle_fd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (bundle_fd < 0)
		return err_errno(err, "cannot open bundle '%s'", bundle);
	if (make_text(oci, options, &text, err) < 0)
		return -1;
	if (!options->output)
		return write_file(bundle_fd, FILE_NAME, &text, err);
	if (!str_eq(options->output, "-"))
		return write_path(options->output, &text, err);
	fputs(text.data, stdout);
	return 0;
}

const struct oci_verb oci_verb_spec = {
	.name = "spec",
	.usage = "[OPTION...]",
	.help = "write a default config.json",
	.table = spec_table,
	.options_size = sizeof(struct spec_options),
	.run = run_spec,
};
