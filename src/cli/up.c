/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula up: at boot, start what is to run. There is no daemon that would know of a boot by itself. */
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "cli/cli.h"
#include "engine/lifecycle.h"

struct due {
	char id[STORE_ID_LENGTH + 1];
	int64_t created_ns;
};

static int compare_due(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	return (x->created_ns > y->created_ns) - (x->created_ns < y->created_ns);
}

/* The older ones first: who was made later may want what was there already. */
static int list_due(struct store *store, struct due **ret, size_t *ret_count, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;
	own_free struct due *due = NULL;
	size_t count = 0;

	if (store_list(store, &ids, err) < 0)
		return -1;
	due = calloc(ids.count + 1, sizeof *due);
	if (!due)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot list containers");
	for (size_t i = 0; i < ids.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err ignored = ERR_INIT;

		if (store_load(store, ids.items[i], &ct, &ignored) < 0 || !ct.record.restart)
			continue;
		memcpy(due[count].id, ct.id, sizeof ct.id);
		due[count++].created_ns = ct.record.created_ns;
	}
	qsort(due, count, sizeof *due, compare_due);
	*ret = take(due);
	*ret_count = count;
	return 0;
}

static int start_one(struct cli *cli, const char *id, struct err *err)
{
	own(container) struct container ct = CONTAINER_INIT;

	if (store_load(&cli->store, id, &ct, err) < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	int started = engine_revive_booted(&ct, err);
	if (started > 0)
		puts(ct.record.name);
	return started < 0 ? -1 : 0;
}

static int run_up(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	own_free struct due *due = NULL;
	struct err last = ERR_INIT;
	size_t count = 0;

	if (list_due(&cli->store, &due, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct err failed = ERR_INIT;

		if (start_one(cli, due[i].id, &failed) == 0)
			continue;
		if (last.kind != ERR_NONE)
			cli_print_error(&last);
		last = failed;
	}
	if (last.kind == ERR_NONE)
		return 0;
	*err = last;
	return -1;
}

static const struct opt up_table[] = {{0}};

const struct verb cli_verb_up = {
	.name = "up",
	.usage = "",
	.help = "at boot: start the containers whose restart policy wants it",
	.table = up_table,
	.flags = VERB_STORE,
	.run = run_up,
};
