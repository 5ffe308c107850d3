/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula cp and diff: files into and out of containers, and what they have changed. */
#include "engine/copy.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/own.h"
#include "cli/progress.h"
#include "cli/template.h"

#define DOCUMENT_MAX ((size_t)256 << 20)

struct copy_command {
	struct choice choice; /* first */
	struct copy_options how;
	bool quiet;
};

#define CP_USAGE "CONTAINER:PATH PATH|- | PATH|- CONTAINER:PATH"
#define COPY(field) offsetof(struct copy_command, how.field)

/* With --latest an end that begins with ":" is in that container, whose id is the first operand then. */
static char *end_of(const char *latest, const char *text, struct err *err)
{
	return latest && *text == ':' ? str_printf(err, "%s%s", latest, text) : str_dup(text, err);
}

static int check_ends(bool latest, const struct strv *operands, struct err *err)
{
	size_t ends = operands->count - latest;

	if (ends != 2) {
		err_set(err, ERR_USAGE, 0, "cp: %s",
			ends < 2 ? "an argument is missing" : "too many arguments");
		return err_hint(err, "insula cp %s", CP_USAGE);
	}
	if (!latest || *operands->items[1] == ':' || *operands->items[2] == ':')
		return 0;
	err_set(err, ERR_USAGE, 0, "cp: none of the two is in the container that --latest names");
	return err_hint(err, "insula cp --latest :/PATH PATH");
}

static void copied_text(const struct progress *p, char *text, size_t size)
{
	char amount[24];

	snprintf(text, size, "cp: %s of %" PRIu64 " file%s",
		 cli_size_text(p->bytes, amount, sizeof amount), p->things,
		 p->things == 1 ? "" : "s");
}

static int run_cp(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct copy_command *options = data;
	own(strv) struct strv left_out = STRV_INIT;
	char *const *ends = operands->items + options->choice.latest;
	const char *latest = options->choice.latest ? operands->items[0] : NULL;

	if (check_ends(options->choice.latest, operands, err) < 0)
		return -1;
	own_free char *from = end_of(latest, ends[0], err), *to = end_of(latest, ends[1], err);
	if (!from || !to)
		return -1;
	struct progress progress;
	if (!options->quiet)
		progress_watch(&progress, copied_text, NULL);
	int status = engine_copy(&cli->store, &options->how, from, to, &left_out, err);
	if (!options->quiet)
		progress_end(&progress);

	for (size_t i = 0; i < left_out.count; i++)
		warn_emit("%s", left_out.items[i]);
	return status < 0 ? err_wrap(err, "cannot copy") : 0;
}

static const struct opt cp_table[] = {
	{"archive", 'a', OPT_BOOL, COPY(archive),
	 .help = "keep owners and extended attributes, too"},
	{"follow-link", 'L', OPT_BOOL, COPY(follow_link),
	 .help = "copy what a symbolic link leads to"},
	{"quiet", 'q', OPT_BOOL, offsetof(struct copy_command, quiet),
	 .help = "do not show how far it is"},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_cp = {
	.name = "cp",
	.usage = CP_USAGE,
	.help = "copy files into and out of a container",
	.table = cp_table,
	.options_size = sizeof(struct copy_command),
	.flags = VERB_STORE | VERB_LATEST,
	.min_operands = 2,
	.max_operands = 3, /* with --latest */
	.run = run_cp,
	.complete = "container",
};

/* ---- diff ---- */

struct diff_options {
	struct choice choice; /* first */
	char *format;
};

static const struct template_field diff_fields[] = {
	{"Type", "change", "CHANGE"},
	{"Change", "change", "CHANGE"},
	{"Path", "path", "PATH"},
	{0},
};

static int run_diff(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct diff_options *options = data;
	own(container) struct container ct = CONTAINER_INIT;
	own(str) struct str text = STR_INIT(DOCUMENT_MAX);
	struct json_writer w;

	if (template_check(options->format, diff_fields, err) < 0 ||
	    store_find(&cli->store, operands->items[0], &ct, err) < 0)
		return -1;
	json_writer_init(&w, &text, 2);
	if (engine_diff(&ct, &w, err) < 0 || str_check(&text, "the list", err) < 0)
		return -1;
	return print_rows(options->format, "{{.Type}} {{.Path}}", diff_fields, &text, err);
}

static const struct opt diff_table[] = {
	{"format", 0, OPT_STRING, offsetof(struct diff_options, format), .value_name = "FORMAT",
	 .help = "json, or a template: {{.Type}} {{.Path}}"},
	CHOICE_LATEST,
	{0},
};

const struct verb cli_verb_diff = {
	.name = "diff",
	.usage = "CONTAINER",
	.help = "list the files that a container has added, changed or removed",
	.table = diff_table,
	.options_size = sizeof(struct diff_options),
	.flags = VERB_STORE | VERB_LATEST | VERB_NAMES,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_diff,
	.complete = "container",
};
