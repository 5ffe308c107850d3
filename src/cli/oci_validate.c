/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula-runtime validate: everything that is wrong with a bundle, before anything is made. In the
 * document (spec_find), on the disk and on this host (runtime/check.h); and at last, where none of these
 * has found an error, what a plan of the start would refuse, or leave out.
 *
 * Exit code: 0 where it could be started, be it with warnings; 1 where it could not; 125 where the
 * question cannot be answered (no such bundle, memory).
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/path.h"
#include "cli/oci_bundle.h"
#include "runtime/check.h"
#include "runtime/place.h"
#include "runtime/runtime.h"

#define EXIT_PROBLEMS 1

enum { FORMAT_TEXT, FORMAT_JSON };

struct validate_options {
	char *bundle, *config;
	int format;
	bool strict;
};

static const char *const formats[] = {"text", "json", NULL};

static const struct opt validate_table[] = {
	{"bundle", 'b', OPT_STRING, offsetof(struct validate_options, bundle), .value_name = "DIR",
	 .help = "directory of config.json and the root file system (default: .)",
	 .complete = "dir"},
	{"config", 'f', OPT_STRING, offsetof(struct validate_options, config), .value_name = "FILE",
	 .help = "another file than the bundle's config.json", .complete = "file"},
	{"format", 0, OPT_CHOICE, offsetof(struct validate_options, format), .value_name = "FORMAT",
	 .help = "text for people, or json: an array of objects", .choices = formats},
	{"strict", 0, OPT_BOOL, offsetof(struct validate_options, strict),
	 .help = "what a start leaves out with a warning is an error, as with run --strict"},
	{0},
};

/* ---- looking ---- */

static int check_plan(const struct oci *oci, struct check *c, struct problems *found,
		      struct err *err)
{
	const char *root = c->spec->root_path;
	own(cgroup_place) struct cgroup_place place = CGROUP_PLACE_INIT;
	own_free char *root_dir = root[0] == '/' ? str_dup(root, err)
						 : str_printf(err, "%s/%s", c->bundle, root);
	struct runtime_request request = {.id = "validate",
					  .spec = c->spec,
					  .root_dir = root_dir,
					  .place = &place,
					  .run_root = "/run/insula",
					  .strict = c->strict,
					  .stdio = {0, 1, 2}};
	struct plan *plan;

	if (!root_dir)
		return -1;
	if (cgroup_place_decide((enum cgroup_manager)oci->cgroup_manager, !c->facts->root,
				request.id, c->spec, c->host, &place, err) < 0)
		return problems_add(found, err);
	plan = runtime_plan(&request, c->facts, c->host, err);
	if (!plan)
		return problems_add(found, err);
	int status = runtime_plan_note(plan, found, err);
	runtime_plan_free(plan);
	return status;
}

static int check_all(const struct oci *oci, struct check *c, struct problems *found,
		     struct err *err)
{
	own(cgroup_host) struct cgroup_host host = {0};
	own(support) struct support support = {0};
	struct facts facts;

	if (facts_probe(AT_FDCWD, &facts, err) < 0 || cgroup_host_probe(AT_FDCWD, &host, err) < 0 ||
	    support_probe(AT_FDCWD, facts.release, &support, err) < 0)
		return -1;
	c->facts = &facts;
	c->host = &host;
	c->support = &support;
	if (check_bundle(c, found, err) < 0 || check_host(c, found, err) < 0)
		return -1;
	return problems_has_errors(found) ? 0 : check_plan(oci, c, found, err);
}

static int find_all(const struct oci *oci, const struct validate_options *options,
		    const char *bundle, struct problems *found, struct err *err)
{
	own_fd int bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = options->config ? options->config : "config.json";
	struct check c = {.bundle = bundle, .strict = options->strict};
	own_free char *text = NULL;
	own(spec) struct spec spec = {0};
	ssize_t size;

	if (bundle_fd < 0)
		return err_errno(err, "cannot open bundle '%s'", bundle);
	size = file_read(options->config ? AT_FDCWD : bundle_fd, name, SPEC_MAX_SIZE, &text, err);
	if (size < 0)
		return -1;
	spec_init(&spec);
	if (spec_find(text, (size_t)size, name, &spec, found, err) < 0)
		return -1;
	found->document = NULL;
	c.spec = &spec;
	/* What is no JSON has nothing to be asked about. */
	if (found->full || !spec.oci_version)
		return 0;
	return check_all(oci, &c, found, err) < 0 && !found->full ? -1 : 0;
}

/* ---- showing ---- */

static const char *severity_name(const struct problem *p)
{
	return p->severity == PROBLEM_ERROR ? "error" : "warning";
}

static void print_text(const struct problems *found)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct problem *p = &found->items[i];

		printf("%s: %s%s\n", *p->path ? p->path : "config.json",
		       p->severity == PROBLEM_WARNING ? "warning: " : "", p->message);
		if (*p->hint)
			printf("  hint: %s\n", p->hint);
	}
	if (found->full)
		printf("config.json: more than %d problems, the rest is not listed\n",
		       PROBLEMS_MAX);
}

static int print_json(const struct problems *found, struct err *err)
{
	own(str) struct str out = STR_INIT(64u << 20);
	struct json_writer w;

	json_writer_init(&w, &out, 2);
	json_write_array(&w);
	for (size_t i = 0; i < found->count; i++) {
		const struct problem *p = &found->items[i];

		json_write_object(&w);
		json_write_member(&w, "path", p->path);
		json_write_member(&w, "severity", severity_name(p));
		json_write_member(&w, "kind", err_kind_name(p->kind));
		json_write_member(&w, "message", p->message);
		if (*p->hint)
			json_write_member(&w, "hint", p->hint);
		json_write_end(&w, '}');
	}
	json_write_end(&w, ']');
	if (str_check(&out, "the problems as JSON", err) < 0)
		return -1;
	puts(out.data);
	return 0;
}

static int run_validate(struct oci *oci, void *values, const struct strv *operands, struct err *err)
{
	const struct validate_options *options = values;
	own(problems) struct problems found = {0};
	own_free char *bundle = NULL;
	const char *path = operands->count   ? operands->items[0]
			   : options->bundle ? options->bundle
					     : ".";

	if (operands->count && options->bundle)
		return err_set(err, ERR_USAGE, 0, "validate: the bundle is given twice");
	if (path_reach(AT_FDCWD, path, err) < 0)
		return -1;
	bundle = realpath(path, NULL);
	if (!bundle)
		return err_errno(err, "cannot open bundle '%s'", path);
	if (find_all(oci, options, bundle, &found, err) < 0)
		return -1;
	oci->exit_code = problems_has_errors(&found) || found.full ? EXIT_PROBLEMS : 0;
	if (options->format == FORMAT_JSON)
		return print_json(&found, err);
	print_text(&found);
	return 0;
}

const struct oci_verb oci_verb_validate = {
	.name = "validate",
	.usage = "[OPTION...] [BUNDLE]",
	.help = "say everything that is wrong with a bundle",
	.table = validate_table,
	.options_size = sizeof(struct validate_options),
	.max_operands = 1,
	.run = run_validate,
};
