/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who a command runs as. Names are looked up in the container's own /etc/passwd and /etc/group, which
 * a stranger wrote: regular files only, one megabyte at the most, opened inside the root, lines that
 * are not well formed are skipped. A number needs no line; a name does. No NSS: nothing of the
 * container's is loaded on the host's side. They are read as container root and without capabilities, so
 * that links and binds lead us to nothing that it could not read itself.
 */
#include <string.h>

#include "base/own.h"
#include "base/path.h"
#include "kernel/caps.h"
#include "runtime/start.h"

#define ACCOUNTS_MAX_SIZE (1u << 20)

/* A line of colon-separated fields, cut in place. */
#define FIELDS_MAX 7
struct fields {
	char *item[FIELDS_MAX];
	size_t count;
};

static struct fields split_line(char *line)
{
	struct fields f = {0};

	for (char *p = line; p && f.count < FIELDS_MAX;) {
		f.item[f.count++] = p;
		p = strchr(p, ':');
		if (p)
			*p++ = '\0';
	}
	return f;
}

static bool parse_id(const char *text, uint32_t *ret)
{
	struct err ignored = ERR_INIT;
	uint64_t value;

	/* The last one is (uid_t)-1, which means "leave it" to the kernel. */
	if (str_to_u64(text, 0, UINT32_MAX - 1, "id", &value, &ignored) < 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

typedef bool line_fn(const struct fields *f, void *data); /* true: found, stop */

/* Each well-formed line of a file; an absent one has none. */
static int each_line(int root_fd, const char *path, size_t fields, line_fn *fn, void *data,
		     struct err *err)
{
	own_free char *text = NULL;
	ssize_t n = path_read_file(root_fd, path, PATH_IN_ROOT, ACCOUNTS_MAX_SIZE, &text, err);

	if (n < 0)
		return err->kind == ERR_NOT_FOUND ? 0 : -1;
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		struct fields f = split_line(line);
		if (f.count >= fields && fn(&f, data))
			return 1;
	}
	return 0;
}

struct passwd_query {
	const char *name; /* NULL: by uid */
	uint32_t uid, gid;
	char home[256];
	char login[256];
};

static bool match_passwd(const struct fields *f, void *data)
{
	struct passwd_query *q = data;
	uint32_t uid, gid;

	if (!parse_id(f->item[2], &uid) || !parse_id(f->item[3], &gid))
		return false;
	if (q->name ? strcmp(f->item[0], q->name) != 0 : uid != q->uid)
		return false;
	q->uid = uid;
	q->gid = gid;
	if (f->item[5][0] == '/' && strlen(f->item[5]) < sizeof q->home &&
	    !str_has_control(f->item[5]))
		memcpy(q->home, f->item[5], strlen(f->item[5]) + 1);
	if (strlen(f->item[0]) < sizeof q->login)
		memcpy(q->login, f->item[0], strlen(f->item[0]) + 1);
	return true;
}

struct group_query {
	const char *name;   /* the group that is wanted, or NULL */
	const char *member; /* or every group that lists this user */
	struct identity *identity;
	uint32_t gid;
};

static bool lists_member(const char *members, const char *member)
{
	size_t n = strlen(member);

	for (const char *p = members; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
		if (!strncmp(p, member, n) && (p[n] == ',' || p[n] == '\0'))
			return true;
	return false;
}

static bool match_group(const struct fields *f, void *data)
{
	struct group_query *q = data;
	uint32_t gid;

	if (!parse_id(f->item[2], &gid))
		return false;
	if (q->name) {
		q->gid = gid;
		return !strcmp(f->item[0], q->name);
	}
	if (f->count > 3 && lists_member(f->item[3], q->member) &&
	    q->identity->group_count < JOB_MAX_GROUPS)
		q->identity->groups[q->identity->group_count++] = gid;
	return false;
}

static int resolve_group(int root_fd, const char *text, uint32_t *ret, struct err *err)
{
	struct group_query q = {.name = text};

	if (parse_id(text, ret))
		return 0;
	int found = each_line(root_fd, "/etc/group", 3, match_group, &q, err);
	if (found < 0)
		return err_wrap(err, "cannot look up group '%s'", text);
	if (!found) {
		err_set(err, ERR_NOT_FOUND, 0, "no group '%s' in the container", text);
		return err_hint(err, "give a number, or add it to the image's /etc/group");
	}
	*ret = q.gid;
	return 0;
}

static int resolve_user(int root_fd, const char *text, struct passwd_query *q, struct err *err)
{
	bool number = parse_id(text, &q->uid);

	q->name = number ? NULL : text;
	int found = each_line(root_fd, "/etc/passwd", 6, match_passwd, q, err);
	if (found < 0)
		return err_wrap(err, "cannot look up user '%s'", text);
	if (found || number)
		return 0;
	err_set(err, ERR_NOT_FOUND, 0, "no user '%s' in the container", text);
	return err_hint(err, "give a number, or add it to the image's /etc/passwd");
}

static int copy_numbers(const struct spec_user *user, struct identity *ret, struct err *err)
{
	ret->uid = user->uid;
	ret->gid = user->gid;
	if (user->additional_gid_count > JOB_MAX_GROUPS)
		return err_set(err, ERR_LIMIT, 0, "process.user.additionalGids: at most %d groups",
			       JOB_MAX_GROUPS);
	for (size_t i = 0; i < user->additional_gid_count; i++)
		ret->groups[ret->group_count++] = user->additional_gids[i];
	return 0;
}

/* "user[:group]" */
static int resolve_name(int root_fd, const char *text, struct identity *ret, struct err *err)
{
	own_free char *copy = str_dup(text, err);
	struct passwd_query q = {0};

	if (!copy)
		return -1;
	char *group = strchr(copy, ':');
	if (group)
		*group++ = '\0';
	if (!*copy || (group && !*group))
		return err_set(err, ERR_INVALID, 0, "user '%s' is not USER or USER:GROUP", text);
	if (resolve_user(root_fd, copy, &q, err) < 0)
		return -1;
	ret->uid = q.uid;
	ret->gid = q.gid;
	memcpy(ret->home, q.home, sizeof ret->home);
	if (group)
		return resolve_group(root_fd, group, &ret->gid, err);
	if (!*q.login)
		return 0;
	struct group_query groups = {.member = q.login, .identity = ret};
	return each_line(root_fd, "/etc/group", 3, match_group, &groups, err) < 0 ? -1 : 0;
}

int identity_resolve_as(int root_fd, uint32_t uid, uint32_t gid, const struct spec_user *user,
			struct identity *ret, struct err *err)
{
	struct caps mine;
	struct err restoring = ERR_INIT;

	if (caps_get(&mine, err) < 0 || caps_act_as(uid, gid, err) < 0 ||
	    caps_set_effective(0, err) < 0)
		return -1;
	int status = identity_resolve(root_fd, user, ret, err);
	if (caps_set_effective(mine.effective, &restoring) == 0)
		return status;
	*err = restoring;
	return -1;
}

static int resolve_numbers(int root_fd, const struct spec_user *user, struct identity *ret,
			   struct err *err)
{
	struct passwd_query q = {.uid = user->uid};
	struct err ignored = ERR_INIT;

	if (copy_numbers(user, ret, err) < 0)
		return -1;
	/* HOME of a numeric user is a courtesy: an unreadable passwd is no reason to fail. */
	if (each_line(root_fd, "/etc/passwd", 6, match_passwd, &q, &ignored) == 1)
		memcpy(ret->home, q.home, sizeof ret->home);
	return 0;
}

static bool has_group(const struct identity *who, uint32_t gid)
{
	for (uint32_t i = 0; i < who->group_count; i++)
		if (who->groups[i] == gid)
			return true;
	return false;
}

static int add_groups(int root_fd, const struct strv *names, struct identity *ret, struct err *err)
{
	for (size_t i = 0; i < names->count; i++) {
		uint32_t gid;

		if (resolve_group(root_fd, names->items[i], &gid, err) < 0)
			return -1;
		if (has_group(ret, gid))
			continue;
		if (ret->group_count == JOB_MAX_GROUPS)
			return err_set(err, ERR_LIMIT, 0, "more than %d groups for one user",
				       JOB_MAX_GROUPS);
		ret->groups[ret->group_count++] = gid;
	}
	return 0;
}

int identity_resolve(int root_fd, const struct spec_user *user, struct identity *ret,
		     struct err *err)
{
	*ret = (struct identity){0};
	if ((user->name ? resolve_name(root_fd, user->name, ret, err)
			: resolve_numbers(root_fd, user, ret, err)) < 0)
		return -1;
	return add_groups(root_fd, &user->groups, ret, err);
}
