/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists that come as files: --env-file and --label-file, with their relatives --env, --label and
 * --annotation. A file has one entry a line, as docker and podman read them: what begins with '#' and what is
 * blank is passed over, nothing is quoted, and of two entries with one name the later one counts. Options of
 * the command line come after all files.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "engine/request.h"

#define LIST_FILE_MAX (1u << 20)

typedef int entry_fn(const char *entry, void *data, struct err *err);

static char *read_list(const char *path, const char *flag, struct err *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	own_free char *text = NULL;

	if (fd < 0) {
		err_errno(err, "%s: cannot open '%s'", flag, path);
		return NULL;
	}
	ssize_t n = fd_read_all(fd, LIST_FILE_MAX, path, &text, err);
	if (n < 0) {
		err_wrap(err, "%s", flag);
		return NULL;
	}
	if (strlen(text) != (size_t)n) {
		err_set(err, ERR_INVALID, 0, "%s: '%s' has a NUL byte", flag, path);
		return NULL;
	}
	return take(text);
}

static int each_entry(const char *path, const char *flag, entry_fn *fn, void *data, struct err *err)
{
	own_free char *text = read_list(path, flag, err);
	unsigned int number = 0;

	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		line += strspn(line, " \t");
		line[strcspn(line, "\r")] = '\0';
		if (!*line || *line == '#')
			continue;
		if (fn(line, data, err) < 0)
			return err_wrap(err, "%s: %s:%u", flag, path, number);
	}
	return text ? 0 : -1;
}

/* ---- environment ---- */

static int env_entry(const char *entry, void *data, struct err *err)
{
	size_t name = strcspn(entry, "=");

	if (strcspn(entry, " \t") < name)
		return err_set(err, ERR_INVALID, 0, "the name in '%s' has a blank", entry);
	return engine_add_env(data, entry, err);
}

int engine_add_envs(const struct strv *files, const struct strv *items, struct strv *env,
		    struct err *err)
{
	for (size_t i = 0; i < files->count; i++)
		if (each_entry(files->items[i], "--env-file", env_entry, env, err) < 0)
			return -1;
	for (size_t i = 0; i < items->count; i++)
		if (engine_add_env(env, items->items[i], err) < 0)
			return -1;
	return 0;
}

int request_env(const struct run_options *options, struct strv *env, struct err *err)
{
	return engine_add_envs(&options->env_files, &options->env, env, err);
}

/* ---- labels, annotations ---- */

/* KEY=VALUE or KEY, into a list in which every key is there once. */
static int set_pair(struct strv *list, const char *entry, struct err *err)
{
	size_t len = strcspn(entry, "=");
	own_free char *key = str_dup_len(entry, len, err);

	return key ? strv_env_set(list, key, entry[len] ? entry + len + 1 : "", err) : -1;
}

static int label_entry(const char *entry, void *data, struct err *err)
{
	if (!*entry || *entry == '=' || str_has_control(entry)) {
		err_set(err, ERR_USAGE, 0, "label '%s' is not KEY or KEY=VALUE", entry);
		return err_hint(err, "such as --label team=blue");
	}
	return set_pair(data, entry, err);
}

int request_labels(const struct run_options *options, struct strv *labels, struct err *err)
{
	for (size_t i = 0; i < options->label_files.count; i++)
		if (each_entry(options->label_files.items[i], "--label-file", label_entry, labels,
			       err) < 0)
			return -1;
	for (size_t i = 0; i < options->labels.count; i++)
		if (label_entry(options->labels.items[i], labels, err) < 0)
			return -1;
	return 0;
}

int request_annotations(const struct run_options *options, struct strv *annotations,
			struct err *err)
{
	for (size_t i = 0; i < options->annotations.count; i++) {
		const char *entry = options->annotations.items[i];

		if (*entry == '=' || !strchr(entry, '=') || str_has_control(entry)) {
			err_set(err, ERR_USAGE, 0, "--annotation: '%s' is not KEY=VALUE", entry);
			return err_hint(err, "such as --annotation org.example.team=blue");
		}
		if (set_pair(annotations, entry, err) < 0)
			return -1;
	}
	return 0;
}
