/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula mounts and devices: what a container that there is gets beside what it was made with. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cli/cli.h"
#include "cli/template.h"
#include "engine/live.h"

#define DOCUMENT_MAX ((size_t)16 << 20)

struct live_cli_options {
	struct live_options how;
	bool all;
	char *format;
};

/* What the two verbs differ in. */
struct live_verb {
	const char *name, *fallback;
	const struct template_field *fields;
	int (*add)(struct container *ct, const char *value, const struct live_options *options,
		   struct err *err);
	int (*remove)(struct container *ct, const char *place, const struct live_options *options,
		      struct err *err);
	int (*write)(struct container *ct, struct json_writer *w, struct err *err);
};

static const struct template_field mount_fields[] = {
	{"Container", "container", "CONTAINER"},
	{"Destination", "destination", "DESTINATION"},
	{"Type", "type", "TYPE"},
	{"Source", "source", "SOURCE"},
	{"Options", "options", "OPTIONS"},
	{"Mounted", "mounted", "MOUNTED"},
	{0},
};

static const struct template_field device_fields[] = {
	{"Container", "container", "CONTAINER"},
	{"Path", "path", "PATH"},
	{"Type", "type", "TYPE"},
	{"Major", "major", "MAJOR"},
	{"Minor", "minor", "MINOR"},
	{"Access", "access", "ACCESS"},
	{"There", "there", "THERE"},
	{0},
};

static const struct live_verb mounts = {
	.name = "mounts",
	.fallback = "table {{.Container}}\\t{{.Destination}}\\t{{.Type}}\\t{{.Source}}\\t"
		    "{{join .Options \",\"}}\\t{{.Mounted}}",
	.fields = mount_fields,
	.add = engine_mount_add,
	.remove = engine_mount_remove,
	.write = engine_write_mounts,
};

static const struct live_verb devices = {
	.name = "devices",
	.fallback = "table {{.Container}}\\t{{.Path}}\\t{{.Type}}\\t{{.Major}}\\t{{.Minor}}\\t"
		    "{{.Access}}\\t{{.There}}",
	.fields = device_fields,
	.add = engine_device_add,
	.remove = engine_device_remove,
	.write = engine_write_devices,
};

/* ---- add, remove ---- */

/* Each by itself: what fails keeps none of the others from being done. */
static int change_each(struct cli *cli, const struct live_verb *verb, bool add,
		       const struct live_cli_options *options, const struct strv *operands,
		       struct err *err)
{
	const char *ref = operands->items[1];
	bool failed = false;

	for (size_t i = 2; i < operands->count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err changing = ERR_INIT;
		const char *value = operands->items[i];

		if (store_find(&cli->store, ref, &ct, err) < 0)
			return -1;
		if ((add ? verb->add : verb->remove)(&ct, value, &options->how, &changing) == 0)
			continue;
		err_wrap(&changing, "cannot %s '%s' %s '%s'", add ? "add" : "remove", value,
			 add ? "to" : "from", ref);
		if (failed)
			cli_print_error(err);
		*err = changing;
		failed = true;
	}
	return failed ? -1 : 0;
}

static int run_change(struct cli *cli, const struct live_verb *verb, bool add,
		      const struct live_cli_options *options, const struct strv *operands,
		      struct err *err)
{
	if (options->all || options->format)
		return err_set(err, ERR_USAGE, 0, "%s: --all and --format are for list",
			       verb->name);
	if (add && options->how.force)
		return err_set(err, ERR_USAGE, 0, "%s: --force is for remove", verb->name);
	if (operands->count >= 3)
		return change_each(cli, verb, add, options, operands, err);
	err_set(err, ERR_USAGE, 0, "%s %s: an argument is missing", verb->name, operands->items[0]);
	return err_hint(err, "insula %s %s CONTAINER %s...", verb->name, add ? "add" : "remove",
			!add				? "PATH"
			: verb->add == engine_mount_add ? "SOURCE:DESTINATION[:OPTIONS]"
							: "DEVICE[:PATH][:ACCESS]");
}

/* ---- list ---- */

struct listing {
	const struct live_verb *verb;
	struct json_writer w;
};

static int list_one(struct cli *cli, struct container *ct, void *data, struct err *err)
{
	struct listing *l = data;

	return l->verb->write(ct, &l->w, err);
}

static int run_list(struct cli *cli, const struct live_verb *verb,
		    const struct live_cli_options *options, const struct strv *operands,
		    struct err *err)
{
	own(str) struct str text = STR_INIT(DOCUMENT_MAX);
	own(strv) struct strv refs = STRV_INIT;
	struct listing l = {.verb = verb};

	if (options->how.temporary || options->how.next_start || options->how.force)
		return err_set(err, ERR_USAGE, 0, "%s: list takes --all and --format only",
			       verb->name);
	if (!options->all && operands->count < 2) {
		err_set(err, ERR_USAGE, 0, "no container is named");
		return err_hint(err, "give names or ids, or --all");
	}
	if (template_check(options->format, verb->fields, err) < 0)
		return -1;
	for (size_t i = 1; i < operands->count; i++)
		if (strv_add(&refs, operands->items[i], err) < 0)
			return -1;
	if (options->all && operands->count > 1) {
		err_set(err, ERR_USAGE, 0, "--all and names exclude each other");
		return err_hint(err, "give one of them");
	}
	if (options->all && store_list(&cli->store, &refs, err) < 0)
		return -1;
	json_writer_init(&l.w, &text, 2);
	json_write_array(&l.w);
	cli->missing_ok = options->all; /* what goes away meanwhile */
	int status = cli_each_container(cli, &refs, &l, list_one, err);
	json_write_end(&l.w, ']');
	/* Beside an error an empty list says nothing. */
	if (status < 0 && text.len <= strlen("[]"))
		return -1;
	if (str_check(&text, "the list", err) < 0 ||
	    print_rows(options->format, verb->fallback, verb->fields, &text, err) < 0)
		return -1;
	return status;
}

static int run(struct cli *cli, const struct live_verb *verb, void *data,
	       const struct strv *operands, struct err *err)
{
	const char *what = cli_action_name(operands->items[0], true);

	if (str_eq(what, "list"))
		return run_list(cli, verb, data, operands, err);
	if (str_eq(what, "add") || str_eq(what, "remove"))
		return run_change(cli, verb, str_eq(what, "add"), data, operands, err);
	err_set(err, ERR_USAGE, 0, "%s: there is no '%s'", verb->name, what);
	return err_hint(err, "insula %s add, remove or list", verb->name);
}

static int run_mounts(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	return run(cli, &mounts, data, operands, err);
}

static int run_devices(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	return run(cli, &devices, data, operands, err);
}

#define LIVE(field) offsetof(struct live_cli_options, field)

#define LIVE_ROWS \
	{"temporary", 0, OPT_BOOL, LIVE(how.temporary), \
	 .help = "of add and remove: until the container ends"}, \
		{"next-start", 0, OPT_BOOL, LIVE(how.next_start), \
		 .help = "of add and remove: from its next start on"}, \
		{"all", 'a', OPT_BOOL, LIVE(all), .help = "of list: those of every container"}, \
	{ \
		"format", 0, OPT_STRING, LIVE(format), \
			.value_name = "FORMAT", \
			.help = "of list: table, json, or a template: {{.Container}}" \
	}

static const struct opt mounts_table[] = {
	LIVE_ROWS,
	{"force", 'f', OPT_BOOL, LIVE(how.force), .help = "of remove: although it is in use"},
	{0},
};

static const struct opt devices_table[] = {LIVE_ROWS, {0}};

const struct verb cli_verb_mounts = {
	.name = "mounts",
	.usage = "add|remove|list [CONTAINER [MOUNT...]]",
	.help = "add and remove mounts of a container, also while it runs",
	.table = mounts_table,
	.options_size = sizeof(struct live_cli_options),
	.flags = VERB_STORE,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_mounts,
	.complete = "container",
};

const struct verb cli_verb_devices = {
	.name = "devices",
	.usage = "add|remove|list [CONTAINER [DEVICE...]]",
	.help = "add and remove devices of a container, also while it runs",
	.table = devices_table,
	.options_size = sizeof(struct live_cli_options),
	.flags = VERB_STORE,
	.min_operands = 1,
	.max_operands = SIZE_MAX,
	.run = run_devices,
	.complete = "container",
};
