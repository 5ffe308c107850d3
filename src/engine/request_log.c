/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --log-driver and --log-opt. Logs are files in the container's directory, in the format of the Kubernetes
 * runtime interface, which podman calls k8s-file; "none" keeps nothing, and whoever is attached sees the output
 * all the same. "journald" is the system's journal, which has its own limits and its own reader.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/log.h"
#include "engine/log_fields.h"
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

struct log_option {
	const char *name; /* NULL ends */
	int (*set)(struct record *record, const char *value, struct err *err);
};

static const struct log_option file_names[] = {
	{"max-size", set_size}, {"max-file", set_files}, {0}};

/* 1: it is none of the table. */
static int set_option(const struct log_option *names, struct record *record, const char *text,
		      struct err *err)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; text[len] && names[i].name; i++)
		if (strlen(names[i].name) == len && !strncmp(names[i].name, text, len))
			return names[i].set(record, text + len + 1, err);
	return 1;
}

static int set_file_option(struct record *record, const char *text, struct err *err)
{
	int status = set_option(file_names, record, text, err);

	if (status <= 0)
		return status;
	err_set(err, ERR_USAGE, 0, "--log-opt: '%s' is not known", text);
	return err_hint(err, "max-size=BYTES, max-file=N");
}

static int set_tag(struct record *record, const char *value, struct err *err)
{
	if (log_tag_check(value, err) < 0)
		return -1;
	free(record->log_tag);
	record->log_tag = str_dup(value, err);
	return record->log_tag ? 0 : -1;
}

static int add_labels(struct record *record, const char *value, struct err *err)
{
	return log_fields_add(&record->log_fields, "labels", value, &record->labels, err);
}

static int add_env(struct record *record, const char *value, struct err *err)
{
	return log_fields_add(&record->log_fields, "env", value, &record->spec.process.env, err);
}

static const struct log_option journal_names[] = {
	{"tag", set_tag}, {"labels", add_labels}, {"env", add_env}, {0}};

static int set_journal_option(struct record *record, const char *text, struct err *err)
{
	int status = set_option(journal_names, record, text, err);

	if (status <= 0)
		return status;
	err_set(err, ERR_USAGE, 0, "--log-opt: '%s' is not known with journald", text);
	return err_hint(err, "tag=TEXT, labels=NAME,..., env=NAME,...; the size of the journal is "
			     "journald.conf(5)'s");
}

static int request_journal(const struct run_options *options, struct record *record,
			   struct err *err)
{
	if (access(log_journal_socket(), F_OK) < 0) {
		err_errno(err, "--log-driver journald: there is no journal at '%s'",
			  log_journal_socket());
		return err_hint(err, "systemd-journald has it; --log-driver file needs none");
	}
	for (size_t i = 0; i < options->log_opts.count; i++)
		if (set_journal_option(record, options->log_opts.items[i], err) < 0)
			return -1;
	record->log_driver = str_dup("journald", err);
	return record->log_driver ? 0 : -1;
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
	if (options->log_driver == LOG_DRIVER_JOURNALD)
		return request_journal(options, record, err);
	for (size_t i = 0; i < options->log_opts.count; i++)
		if (set_file_option(record, options->log_opts.items[i], err) < 0)
			return -1;
	return 0;
}
