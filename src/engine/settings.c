/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading insula.conf(5): sections, "key = value" a line, '#' for comments, nothing else (decision record
 * 0014). It is strict, because a line that is silently not understood is worse than one that stops: what is
 * wrong is told with its file and line, and with what was probably meant.
 *
 * A file is believed only if it belongs to root or to us and nobody else can write to it: what it says
 * decides where root's containers are.
 */
#include "engine/settings.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/store.h"

#define SYSTEM_FILE "/etc/insula/insula.conf"
#define FILE_MAX (64u << 10)
#define SETTINGS_MAX 1000

void settings_done(struct settings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].section);
		free(s->items[i].key);
		free(s->items[i].value);
		free(s->items[i].from);
	}
	free(s->items);
	*s = SETTINGS_INIT;
}

const struct setting *settings_get(const struct settings *s, const char *section, const char *key)
{
	for (size_t i = s->count; i-- > 0;)
		if (str_eq(s->items[i].section, section) && str_eq(s->items[i].key, key))
			return &s->items[i];
	return NULL;
}

/* ---- what may be said ---- */

static int check_directory(const char *value, struct err *err)
{
	own_free char *clean = NULL;

	return path_clean(value, &clean, err);
}

static int parse_ids(const char *value, struct store_range *ret, struct err *err)
{
	size_t len = strcspn(value, ":");
	own_free char *start = str_dup_len(value, len, err);

	if (!start)
		return -1;
	if (!value[len] ||
	    str_to_u64(start, 1, UINT32_MAX - 1, "the first id", &ret->start, err) < 0 ||
	    str_to_u64(value + len + 1, STORE_RANGE_SIZE, UINT32_MAX - ret->start,
		       "the number of ids", &ret->count, err) < 0) {
		err_set(err, ERR_INVALID, 0, "'%s' is not FIRST:COUNT", value);
		return err_hint(err, "ids from 1 to 4294967294, at least %u of them",
				STORE_RANGE_SIZE);
	}
	ret->is_configured = true;
	return 0;
}

static int check_ids(const char *value, struct err *err)
{
	struct store_range ignored;

	return parse_ids(value, &ignored, err);
}

static const struct {
	const char *section, *key; /* key NULL: any */
	int (*check)(const char *value, struct err *err);
} known[] = {
	{"store", "root", check_directory},
	{"store", "runroot", check_directory},
	{"store", "ids", check_ids},
	{"run", NULL, NULL},
};

#define KNOWN_COUNT (sizeof known / sizeof *known)

static int unknown(const char *what, const char *name, const char *closest, struct err *err)
{
	err_set(err, ERR_INVALID, 0, "there is no %s '%s'", what, name);
	return closest ? err_hint(err, "did you mean '%s'?", closest)
		       : err_hint(err, "insula.conf(5) has them all");
}

static int check_section(const char *section, struct err *err)
{
	const char *closest = NULL;

	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		if (str_eq(known[i].section, section))
			return 0;
		if (str_distance(section, known[i].section, 2) <= 2)
			closest = known[i].section;
	}
	return unknown("section", section, closest, err);
}

static int check_key(const char *section, const char *key, const char *value, struct err *err)
{
	const char *closest = NULL;

	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		if (!str_eq(known[i].section, section))
			continue;
		if (!known[i].key)
			return 0;
		if (str_eq(known[i].key, key))
			return known[i].check(value, err) < 0 ? err_wrap(err, "%s", key) : 0;
		if (str_distance(key, known[i].key, 2) <= 2)
			closest = known[i].key;
	}
	return unknown("key", key, closest, err);
}

/* ---- lines ---- */

struct reading {
	struct settings *to;
	const char *path;
	unsigned int line;
	char section[32];
	bool skip_store; /* the system's file says where root's containers are, not a user's */
};

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int add(struct reading *r, const char *key, const char *value, struct err *err)
{
	struct settings *s = r->to;
	struct setting *grown = NULL;

	if (s->count < SETTINGS_MAX)
		grown = reallocarray(s->items, s->count + 1, sizeof *grown);
	if (!grown)
		return err_set(err, ERR_LIMIT, 0, "more than %d settings", SETTINGS_MAX);
	s->items = grown;
	struct setting *item = &grown[s->count++];
	*item = (struct setting){.section = str_dup(r->section, err),
				 .key = str_dup(key, err),
				 .value = str_dup(value, err),
				 .from = str_printf(err, "%s:%u", r->path, r->line)};
	return item->section && item->key && item->value && item->from ? 0 : -1;
}

static int open_section(struct reading *r, char *line, struct err *err)
{
	size_t len = strlen(line);

	if (line[len - 1] != ']')
		return err_set(err, ERR_INVALID, 0, "'%s' is not [SECTION]", line);
	line[len - 1] = '\0';
	line = trim(line + 1);
	if (check_section(line, err) < 0)
		return -1;
	snprintf(r->section, sizeof r->section, "%s", line);
	return 0;
}

static int read_line(struct reading *r, char *line, struct err *err)
{
	char *equals;

	line = trim(line);
	if (!*line || *line == '#')
		return 0;
	if (str_has_control(line))
		return err_set(err, ERR_INVALID, 0, "the line has control characters");
	if (*line == '[')
		return open_section(r, line, err);
	equals = strchr(line, '=');
	if (!equals || equals == line) {
		err_set(err, ERR_INVALID, 0, "'%s' is not KEY = VALUE", line);
		return err_hint(err, "a flag that stands alone is written 'init = true'");
	}
	*equals = '\0';
	const char *key = trim(line), *value = trim(equals + 1);
	if (!*r->section) {
		err_set(err, ERR_INVALID, 0, "'%s' is in no section", key);
		return err_hint(err, "begin with [store] or [run]");
	}
	if (check_key(r->section, key, value, err) < 0)
		return -1;
	return r->skip_store && str_eq(r->section, "store") ? 0 : add(r, key, value, err);
}

static int read_text(struct reading *r, char *text, struct err *err)
{
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		r->line++;
		if (read_line(r, line, err) < 0)
			return err_wrap(err, "%s:%u", r->path, r->line);
	}
	return 0;
}

static int check_owner(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, "cannot look at '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, 0, "'%s' is not a file", path);
	if ((st.st_uid == 0 || st.st_uid == geteuid()) && !(st.st_mode & 022))
		return 0;
	err_set(err, ERR_DENIED, 0, "'%s' can be written by others", path);
	return err_hint(err, "it must belong to root or to you, and be writable to nobody else");
}

/* must: one that was named has to be there. */
static int read_file(const char *path, bool must, struct settings *to, struct err *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	own_free char *text = NULL;
	struct reading r = {
		.to = to, .path = path, .skip_store = geteuid() != 0 && str_eq(path, SYSTEM_FILE)};

	if (fd < 0)
		return !must && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)
			       ? 0
			       : err_errno(err, "cannot read '%s'", path);
	if (check_owner(fd, path, err) < 0)
		return -1;
	ssize_t n = fd_read_all(fd, FILE_MAX, path, &text, err);
	if (n < 0)
		return -1;
	if (strlen(text) != (size_t)n)
		return err_set(err, ERR_INVALID, 0, "'%s' has a NUL byte", path);
	return read_text(&r, text, err);
}

static char *user_file(struct err *err)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config == '/')
		return str_printf(err, "%s/insula/insula.conf", config);
	return str_printf(err, "%s/.config/insula/insula.conf", home && *home == '/' ? home : "");
}

static int read_all(struct settings *to, struct err *err)
{
	const char *named = getenv("INSULA_CONF");
	own_free char *path = NULL;

	if (named)
		return *named ? read_file(named, true, to, err) : 0;
	path = user_file(err);
	if (!path || read_file(SYSTEM_FILE, false, to, err) < 0)
		return -1;
	return *path == '/' && strncmp(path, "/.config", 8) != 0 ? read_file(path, false, to, err)
								 : 0;
}

int settings_load(struct settings *ret, struct err *err)
{
	*ret = SETTINGS_INIT;
	if (read_all(ret, err) == 0)
		return 0;
	settings_done(ret);
	return -1;
}

int settings_apply(const struct settings *s, struct err *err)
{
	const struct setting *ids = settings_get(s, "store", "ids");
	struct store_range range;

	if (!ids)
		return 0;
	if (parse_ids(ids->value, &range, err) < 0)
		return err_wrap(err, "%s", ids->from);
	store_use_ids(&range);
	return 0;
}
