/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files that say which machine this is. They are written into the container's own upper layer
 * before anything of it runs: the layer is ours and empty then, so no path of an image is resolved,
 * and whatever the image or the host has in their place is absent.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/own.h"
#include "base/path.h"
#include "engine/launch.h"

#define HOST_FILE_MAX (1u << 20)
#define ZONES "/usr/share/zoneinfo"

/* Last written when it was made: by this `insula diff` knows a file that nobody has touched since. A file system
 * that does not know when files were made is left alone. */
static void mark_untouched(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) < 0 || !(st.stx_mask & STATX_BTIME))
		return;
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = st.stx_btime.tv_sec, .tv_nsec = st.stx_btime.tv_nsec}};
	(void)futimens(fd, times);
}

static int write_bytes(int dir_fd, const char *name, const char *data, size_t size, struct err *err)
{
	own_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_errno(err, "cannot make '/etc/%s' of the container", name);
	if (fd_write_all(fd, data, size, name, err) < 0)
		return -1;
	mark_untouched(fd);
	return 0;
}

static int write_file(int dir_fd, const char *name, const char *text, struct err *err)
{
	return write_bytes(dir_fd, name, text, strlen(text), err);
}

/* A file that is absent on the host has nothing in it. */
static int read_host_file(const char *path, char **ret, struct err *err)
{
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd_read_all(fd, HOST_FILE_MAX, path, ret, err) < 0 ? -1 : 0;
	*ret = str_dup("", err);
	return *ret ? 0 : -1;
}

/* The lines that every network of a container's own has, or the host's. */
static int base_hosts(const struct record *record, struct str *text, struct err *err)
{
	own_free char *host = NULL;

	if (!record->host_names) {
		str_addf(text,
			 "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
			 "127.0.1.1\t%s\n",
			 record_hostname(record));
		return 0;
	}
	if (read_host_file("/etc/hosts", &host, err) < 0)
		return -1;
	str_add(text, host);
	if (text->len && text->data[text->len - 1] != '\n')
		str_add_char(text, '\n');
	return 0;
}

static int write_hosts(int dir_fd, const struct record *record, struct err *err)
{
	own(str) struct str text = STR_INIT(2 * HOST_FILE_MAX);

	if (base_hosts(record, &text, err) < 0)
		return -1;
	for (size_t i = 0; i < record->hosts.count; i++)
		str_addf(&text, "%s\n", record->hosts.items[i]);
	if (str_check(&text, "/etc/hosts", err) < 0)
		return -1;
	return write_file(dir_fd, "hosts", text.data, err);
}

/* ---- resolv.conf ---- */

/* What a line of resolv.conf(5) is about; "domain" is an older "search". */
static bool is_about(const char *line, const char *keyword)
{
	size_t n = strlen(keyword);

	line += strspn(line, " \t");
	if (!strncmp(keyword, "search", n) && !strncmp(line, "domain", 6))
		return line[6] == ' ' || line[6] == '\t';
	return !strncmp(line, keyword, n) && (line[n] == ' ' || line[n] == '\t');
}

static bool says(const struct strv *lines, const char *keyword)
{
	for (size_t i = 0; i < lines->count; i++)
		if (is_about(lines->items[i], keyword))
			return true;
	return false;
}

/* Those of the host's lines that are about nothing that was given. */
static void add_host_lines(char *host, const struct strv *given, struct str *text)
{
	static const char *const keywords[] = {"nameserver", "search", "options"};

	for (char *line = host, *next; line && *line; line = next) {
		bool wanted = true;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
			wanted = wanted &&
				 !(is_about(line, keywords[i]) && says(given, keywords[i]));
		if (wanted)
			str_addf(text, "%s\n", line);
	}
}

/* With the host's network a container resolves names as the host does, but for what was given. */
static int write_resolv(int dir_fd, const struct record *record, struct err *err)
{
	own(str) struct str text = STR_INIT(2 * HOST_FILE_MAX);
	own_free char *host = NULL;

	if (record->resolv.count == 1 && str_eq(record->resolv.items[0], "none"))
		return 0;
	if (record->host_names) {
		if (read_host_file("/etc/resolv.conf", &host, err) < 0)
			return -1;
		add_host_lines(host, &record->resolv, &text);
	}
	for (size_t i = 0; i < record->resolv.count; i++)
		str_addf(&text, "%s\n", record->resolv.items[i]);
	if (str_check(&text, "/etc/resolv.conf", err) < 0)
		return -1;
	return write_file(dir_fd, "resolv.conf", text.data, err);
}

/* ---- time zone ---- */

ssize_t launch_read_timezone(const char *name, char **ret, struct err *err)
{
	bool local = str_eq(name, "local");
	own_fd int zones_fd = open(local ? "/" : ZONES, O_PATH | O_DIRECTORY | O_CLOEXEC);
	ssize_t n;

	if (zones_fd < 0)
		return err_errno(err, "cannot open '" ZONES "'");
	/* The host's own is a link to one of them, as a rule, and may be absent: UTC. */
	n = path_read_file(zones_fd, local ? "/etc/localtime" : name, PATH_IN_ROOT, HOST_FILE_MAX,
			   ret, err);
	if (n >= 4 && !memcmp(*ret, "TZif", 4))
		return n;
	if (n >= 0) {
		free(take(*ret));
		err_set(err, ERR_NOT_FOUND, 0, "no file of a time zone");
	}
	if (local)
		return err_wrap(err, "cannot read '/etc/localtime'");
	err_set(err, ERR_NOT_FOUND, 0, "there is no time zone '%s'", name);
	return err_hint(err, "one of those below " ZONES ", such as Europe/Rome; or 'local'");
}

static int write_timezone(int dir_fd, const char *zone, struct err *err)
{
	own_free char *data = NULL;
	ssize_t n;

	if (!zone)
		return 0;
	n = launch_read_timezone(zone, &data, err);
	return n < 0 ? -1 : write_bytes(dir_fd, "localtime", data, (size_t)n, err);
}

int launch_write_identity(int etc_fd, const struct record *record, struct err *err)
{
	own(str) struct str line = STR_INIT(256);

	str_addf(&line, "%s\n", record_hostname(record));
	if (write_file(etc_fd, "hostname", line.data, err) < 0)
		return -1;
	str_reset(&line);
	str_addf(&line, "%.32s\n", record->id); /* machine-id(5): 32 hex digits */
	if (write_file(etc_fd, "machine-id", line.data, err) < 0)
		return -1;
	if (write_hosts(etc_fd, record, err) < 0 || write_resolv(etc_fd, record, err) < 0)
		return -1;
	return write_timezone(etc_fd, record->timezone, err);
}
