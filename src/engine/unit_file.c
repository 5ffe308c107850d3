/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unit files of systemd for containers (systemd.service(5)).
 *
 * The service's process is the command line in the foreground, attached to the container: its output is the
 * service's, it is told to end as the container is, and its exit code is the container's. The container itself is
 * below a keeper, in a scope of its own; so whatever systemd does to the service, the container is stopped by being
 * asked to, and its end is recorded.
 *
 * What a user chose goes into words of a command, which systemd takes apart again: quotes, backslashes, `$` and `%`
 * mean something to it, and a line ends where a control character says so. All of them are escaped.
 */
#include "engine/unit_file.h"

#include <limits.h>
#include <string.h>

#include "base/own.h"
#include "base/proc.h"

#define KILL_MS 60000  /* beyond the container's own time to stop */
#define ASKED_CODE 143 /* 128 + SIGTERM: the end that was asked for */

/* ---- text ---- */

static void add_escaped(struct str *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			str_addf(out, "\\x%02x", *p);
		else if (*p == '"' || *p == '\\')
			str_addf(out, "\\%c", *p);
		else if (*p == '%' || *p == '$')
			str_addf(out, "%c%c", *p, *p);
		else
			str_add_char(out, (char)*p);
	}
}

/* The plain ones are left as people write them. */
static bool is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_./:=,@+";

	return *text && strspn(text, plain) == strlen(text);
}

static void add_word(struct str *out, const char *text)
{
	bool quote = !is_plain(text);

	str_add(out, quote ? " \"" : " ");
	add_escaped(out, text);
	str_add(out, quote ? "\"" : "");
}

/* The program of a command, or a path in a list of them, where dollars mean nothing. */
static void add_path(struct str *out, const char *path)
{
	bool quote = !is_plain(path);

	str_add(out, quote ? "\"" : "");
	for (; *path; path++) {
		if (*path == '$')
			str_add_char(out, *path);
		else
			add_escaped(out, (const char[]){*path, '\0'});
	}
	str_add(out, quote ? "\"" : "");
}

/* Where one path is the whole line: nothing is quoted, but specifiers are still replaced. What would end the line, go
 * on in the next one or be cut off cannot be written there. */
static int add_line(struct str *out, const char *key, const char *text, struct err *err)
{
	size_t length = strlen(text);

	if (str_has_control(text) || strchr("\\ ", text[length - 1])) {
		err_set(err, ERR_INVALID, 0,
			"%s: '%s' cannot be written into a unit: it has a control character, or a "
			"space or '\\' at its end",
			key, text);
		return err_hint(err, "make the container in another directory, or leave out --new");
	}
	str_addf(out, "%s=", key);
	for (; *text; text++)
		str_addf(out, *text == '%' ? "%%%%" : "%c", *text);
	str_add_char(out, '\n');
	return 0;
}

static void add_time(struct str *out, const char *key, uint64_t ms)
{
	if (ms)
		str_addf(out, "%s=%llums\n", key, (unsigned long long)ms);
}

static void add_units(struct str *out, const char *key, const struct strv *units)
{
	for (size_t i = 0; i < units->count; i++)
		str_addf(out, "%s=%s\n", key, units->items[i]);
}

/* ---- names ---- */

static char *name_of(const struct unit_options *options, const char *id, const char *name,
		     struct err *err)
{
	return str_printf(err, "%s%s%s.service", options->prefix, options->separator,
			  options->by_name ? name : id);
}

char *unit_file_name(const struct unit_options *options, const struct container *ct,
		     struct err *err)
{
	return name_of(options, ct->id, ct->record.name, err);
}

static const char *ref_of(const struct unit_options *options, const struct container *ct)
{
	return options->by_name || options->anew ? ct->record.name : ct->id;
}

/* ---- sections ---- */

/* Of containers that it requires there may be units of the same kind; where there are none, that is no error. */
static int add_required(const struct unit_options *options, const struct container *ct,
			struct str *out, struct err *err)
{
	for (size_t i = 0; i < ct->record.requires.count; i++) {
		own(container) struct container other = CONTAINER_INIT;

		if (store_load(ct->store, ct->record.requires.items[i], &other, err) < 0)
			return err_wrap(err, "what '%s' requires", ct->record.name);
		own_free char *unit = unit_file_name(options, &other, err);
		if (!unit)
			return -1;
		str_addf(out, "Wants=%s\nAfter=%s\n", unit, unit);
	}
	return 0;
}

static int add_unit(const struct unit_options *options, const struct container *ct,
		    const char *name, struct str *out, struct err *err)
{
	if (!options->no_header)
		str_addf(out, "# %s\n# Made by insula generate systemd, version %s\n\n", name,
			 INSULA_VERSION);
	str_addf(out, "[Unit]\nDescription=Insula %s\nDocumentation=man:insula-generate(1)\n",
		 name);
	str_add(out, "Wants=network-online.target\nAfter=network-online.target\n");
	str_add(out, "RequiresMountsFor=");
	add_path(out, ct->store->root);
	str_add_char(out, '\n');
	add_units(out, "Wants", options->wants);
	add_units(out, "Requires", options->requires);
	add_units(out, "After", options->after);
	return options->anew ? 0 : add_required(options, ct, out, err);
}

static void begin_command(const struct unit_options *options, const char *key, const char *program,
			  struct str *out)
{
	str_addf(out, "%s=", key);
	add_path(out, program);
	if (options->root) {
		add_word(out, "--root");
		add_word(out, options->root);
	}
	if (options->run) {
		add_word(out, "--runroot");
		add_word(out, options->run);
	}
}

static void add_words(struct str *out, const char *const *words)
{
	for (; *words; words++)
		add_word(out, *words);
}

/* As it was made, but for what a service decides: the last one of an option counts. */
static void add_run(const struct container *ct, struct str *out)
{
	const struct record *r = &ct->record;

	add_word(out, "run");
	for (size_t i = 1; i < r->given.count; i++)
		add_word(out, r->given.items[i]);
	add_words(out,
		  (const char *const[]){"--detach=false", "--interactive=false", "--replace",
					"--rm", "--restart=no", "--name", r->name, r->image, NULL});
	for (size_t i = 0; i < r->operands.count; i++)
		add_word(out, r->operands.items[i]);
	str_add_char(out, '\n');
}

static void add_commands(const struct unit_options *options, const struct container *ct,
			 const char *program, struct str *out)
{
	const char *ref = ref_of(options, ct);
	uint64_t stop_ms = options->stop_given ? options->stop_ms : ct->record.stop_timeout_ms;
	own(str) struct str time = STR_INIT(32);

	str_addf(&time, "%llums", (unsigned long long)stop_ms);
	begin_command(options, "ExecStart", program, out);
	if (options->anew) {
		add_run(ct, out);
	} else {
		add_words(out, (const char *const[]){"start", "--attach", ref, NULL});
		str_add_char(out, '\n');
	}
	begin_command(options, "ExecStop", program, out);
	add_words(out, (const char *const[]){"stop", "--time", time.data, ref, NULL});
	str_add_char(out, '\n');
	begin_command(options, "ExecStopPost", program, out);
	add_words(out, options->anew
			       ? (const char *const[]){"rm", "--force", ref, NULL}
			       : (const char *const[]){"stop", "--time", time.data, ref, NULL});
	str_add_char(out, '\n');
	add_time(out, "TimeoutStopSec",
		 stop_ms > UINT64_MAX - KILL_MS ? UINT64_MAX : stop_ms + KILL_MS);
}

static int check_anew(const struct container *ct, struct err *err)
{
	const struct strv *given = &ct->record.given;

	if (!given->count) {
		err_set(err, ERR_STATE, 0,
			"container '%s' was made by a version that did not note how",
			ct->record.name);
		return err_hint(err, "make it again, or leave out --new");
	}
	for (size_t i = 1; i < given->count; i++)
		if (str_eq(given->items[i], "--cidfile") ||
		    str_starts(given->items[i], "--cidfile="))
			return err_set(err, ERR_STATE, 0,
				       "container '%s' has a --cidfile, which can be written once",
				       ct->record.name);
	return 0;
}

/* "-e NAME=VALUE" in any of its spellings; of "-e NAME" the value is not in the words. */
bool unit_file_has_values(const struct unit_options *options, const struct container *ct)
{
	const struct strv *given = &ct->record.given, *env = &ct->record.spec.process.env;

	for (size_t i = 1; options->anew && i < given->count; i++)
		for (size_t k = 0; k < env->count; k++)
			if (str_ends(given->items[i], env->items[k]))
				return true;
	return false;
}

int unit_file_write(const struct unit_options *options, const struct container *ct, struct str *out,
		    struct err *err)
{
	own_free char *name = unit_file_name(options, ct, err);
	char program[PATH_MAX];

	if (!name || proc_find_ours("insula", "INSULA_SELF", program, sizeof program, err) < 0 ||
	    (options->anew && check_anew(ct, err) < 0) || add_unit(options, ct, name, out, err) < 0)
		return -1;
	str_addf(out, "\n[Service]\n%s\nRestart=%s\n",
		 ct->record.sdnotify ? "Type=notify\nNotifyAccess=main" : "Type=exec",
		 options->restart);
	add_time(out, "RestartSec", options->restart_ms);
	add_time(out, "TimeoutStartSec", options->start_ms);
	str_addf(out, "SuccessExitStatus=%d\n", ASKED_CODE);
	if (options->anew && add_line(out, "WorkingDirectory", ct->record.given.items[0], err) < 0)
		return -1;
	add_commands(options, ct, program, out);
	str_add(out, "\n[Install]\nWantedBy=default.target\n");
	return str_check(out, "unit file", err);
}
