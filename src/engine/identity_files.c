/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files that say which machine this is. They are written into the container's own upper layer
 * before anything of it runs: the layer is ours and empty then, so no path of an image is resolved,
 * and whatever the image or the host has in their place is absent.
 *
 * They are not synced, which would take longer than all the rest of a start. So after a host that went down
 * they may be there with nothing in them, or with zeros, or their directory may be missing; each later start
 * looks, and writes again what nobody has touched and what is not there any more. The layer was the container's
 * meanwhile: nothing in it is followed, and only a regular file with one name is written to.
 */
#include <dirent.h>
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

static int fill(int fd, const char *name, const char *data, size_t size, struct err *err)
{
	if (fd_write_all(fd, data, size, name, err) < 0)
		return -1;
	mark_untouched(fd);
	return 0;
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

/* Each of these makes what is to be in a file: its size; *ret stays NULL where there is to be no file. */
static ssize_t give(struct str *text, const char *path, char **ret, struct err *err)
{
	size_t size = text->len;

	if (str_check(text, path, err) < 0)
		return -1;
	*ret = str_take(text);
	return (ssize_t)size;
}

static ssize_t make_hostname(const struct record *record, char **ret, struct err *err)
{
	own(str) struct str text = STR_INIT(256);

	str_addf(&text, "%s\n", record_hostname(record));
	return give(&text, "/etc/hostname", ret, err);
}

static ssize_t make_machine_id(const struct record *record, char **ret, struct err *err)
{
	own(str) struct str text = STR_INIT(256);

	str_addf(&text, "%.32s\n", record->id); /* machine-id(5): 32 hex digits */
	return give(&text, "/etc/machine-id", ret, err);
}

static ssize_t make_hosts(const struct record *record, char **ret, struct err *err)
{
	own(str) struct str text = STR_INIT(2 * HOST_FILE_MAX);

	if (base_hosts(record, &text, err) < 0)
		return -1;
	for (size_t i = 0; i < record->hosts.count; i++)
		str_addf(&text, "%s\n", record->hosts.items[i]);
	return give(&text, "/etc/hosts", ret, err);
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
static ssize_t make_resolv(const struct record *record, char **ret, struct err *err)
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
	return give(&text, "/etc/resolv.conf", ret, err);
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

static ssize_t make_timezone(const struct record *record, char **ret, struct err *err)
{
	return record->timezone ? launch_read_timezone(record->timezone, ret, err) : 0;
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	ssize_t (*make)(const struct record *record, char **ret, struct err *err);
} files[] = {
	{"hostname", make_hostname},  {"machine-id", make_machine_id}, {"hosts", make_hosts},
	{"resolv.conf", make_resolv}, {"localtime", make_timezone},
};

int launch_write_identity(int etc_fd, const struct record *record, struct err *err)
{
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		own_free char *data = NULL;
		ssize_t size = files[i].make(record, &data, err);

		if (size < 0)
			return -1;
		if (!data)
			continue;
		own_fd int fd = openat(etc_fd, files[i].name,
				       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_errno(err, "cannot make '/etc/%s' of the container",
					 files[i].name);
		if (fill(fd, files[i].name, data, (size_t)size, err) < 0)
			return -1;
	}
	return 0;
}

/* Nothing of what we wrote arrived. Who empties it himself writes to it, and where the file system does not know
 * when a file was made it is left alone. */
static bool is_lost(int fd)
{
	struct statx st;
	char first;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MTIME | STATX_NLINK, &st) < 0 ||
	    !(st.stx_mask & STATX_BTIME) || st.stx_nlink != 1 ||
	    st.stx_mtime.tv_sec != st.stx_btime.tv_sec ||
	    st.stx_mtime.tv_nsec != st.stx_btime.tv_nsec)
		return false;
	ssize_t n = pread(fd, &first, 1, 0);
	return n == 0 || (n == 1 && first == '\0');
}

static int mend(int etc_fd, size_t which, const struct record *record, struct err *err)
{
	own_free char *data = NULL;
	struct err ignored = ERR_INIT;
	const char *name = files[which].name;
	own_fd int handle = path_handle(etc_fd, name, PATH_BENEATH, O_NOFOLLOW, &ignored);
	own_fd int fd = handle < 0 ? -1 : path_reopen(handle, S_IFREG, O_RDWR, &ignored);

	if (fd < 0 || !is_lost(fd))
		return 0;
	ssize_t size = files[which].make(record, &data, err);
	if (size < 0)
		return -1;
	if (ftruncate(fd, 0) < 0)
		return err_errno(err, "cannot write '/etc/%s' of the container", name);
	return data ? fill(fd, name, data, (size_t)size, err) : 0;
}

int launch_mend_identity(int etc_fd, const struct record *record, struct err *err)
{
	own_dir DIR *dir = fd_open_list(etc_fd, ".");
	bool has_any = false;

	if (!dir)
		return err_errno(err, "cannot read '/etc' of the container");
	for (struct dirent *e; !has_any && (e = readdir(dir));)
		has_any = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (!has_any)
		return launch_write_identity(etc_fd, record, err);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (mend(etc_fd, i, record, err) < 0)
			return -1;
	return 0;
}
