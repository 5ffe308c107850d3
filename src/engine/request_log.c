/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --log-driver and --log-opt. Logs are files in the container's directory, in the format of the Kubernetes
 * runtime interface, which podman calls k8s-file; "none" keeps nothing, and whoever is attached sees the output
 * all the same.
 */
#include <string.h>

#include "base/own.h"
#include "engine/request.h"

#define SIZE_LEAST 65536u /* the writer's buffer: a file holds at least that */
#define FILES_MOST 1000

static int set_size(struct record *record, const char *value, struct err *err)
{
	uint64_t size;

	if (str_to_bytes(value, "--log-opt: max-size", &size, err) < 0)
		return -1;
	if (size < SIZE_LEAST)
		return err_set(err, ERR_USAGE, 0, "--log-opt: max-size: at least 64k");
	record->log_max_size = size;
	return 0;
}

static int set_files(struct record *record, const char *value, struct err *err)
{
	uint64_t files;

	if (str_to_u64(value, 1, FILES_MOST, "--log-opt: max-file", &files, err) < 0)
		return -1;
	record->log_max_files = (int)files;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct record *record, const char *value, struct err *err);
} names[] = {{"max-size", set_size}, {"max-file", set_files}};

static int set_option(struct record *record, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; text[len] && i < sizeof names / sizeof *names; i++)
		if (strlen(names[i].name) == len && !strncmp(names[i].name, text, len))
			return names[i].set(record, text + len + 1, err);
	err_set(err, ERR_USAGE, 0, "--log-opt: '%s' is not known", text);
	return err_hint(err, "max-size=BYTES, max-file=N");
}

int request_log(const struct run_options *options, struct record *record, struct err *err)
{
	if (options->log_driver == LOG_DRIVER_NONE) {
		if (options->log_opts.count)
			return err_set(err, ERR_USAGE, 0,
				       "--log-opt: there are no files with --log-driver none");
		record->log_driver = str_dup("none", err);
		return record->log_driver ? 0 : -1;
	}
	for (size_t i = 0; i < options->log_opts.count; i++)
		if (set_option(record, options->log_opts.items[i], err) < 0)
			return -1;
	return 0;
}
