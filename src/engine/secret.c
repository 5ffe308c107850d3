/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store of secrets: a file for each below ROOT/secrets, 0600 in directories of 0700, named as the secret is.
 *
 * What a file has is in secret_format.c. It is written beside and renamed, so that whoever reads it has the old one or the new one, whole. It is not encrypted: whoever can read
 * it is root, or the user whose containers these are, and either could ask a container for it; a key beside it
 * would be a decoration.
 *
 * Nothing else of ours ever keeps a value: records, events and units name secrets, and a container's start reads
 * them anew. Who has one in memory is a command, or the process that is about to execute the keeper.
 *
 * Containers are told by their records, so a removal looks at all of them; secrets are removed by people.
 */
#include "engine/secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/own.h"
#include "engine/secret_format.h"
#include "engine/store_private.h"

#define NAME_MAX_LENGTH 200 /* a file's name, with what is around it while it is written */
#define ID_LENGTH 25	    /* as podman has it */
#define USERS_SHOWN 4
#define TEMPORARY_S 60 /* of a writer that was killed */

int secret_check_name(const char *name, struct err *err)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_.-";
	size_t size = strlen(name);

	if (size && size <= NAME_MAX_LENGTH && strspn(name, good) == size && !strchr("_.-", *name))
		return 0;
	err_set(err, ERR_USAGE, 0, "'%.64s' is not the name of a secret", name);
	return err_hint(err,
			"letters, digits, '_', '.' and '-', a letter or digit first, at most "
			"%d",
			NAME_MAX_LENGTH);
}

static int check_size(size_t size, struct err *err)
{
	if (size && size <= SECRET_SIZE_MAX)
		return 0;
	return err_set(err, ERR_LIMIT, 0, "a secret has 1 to %u bytes, and this has %s",
		       SECRET_SIZE_MAX, size ? "more" : "none");
}

int secret_value_read(const char *path, struct secret_value *ret, struct err *err)
{
	bool is_stdin = str_eq(path, "-");
	own_fd int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
				 : open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct secret_value value = {.data = malloc(SECRET_SIZE_MAX + 1)};
	ssize_t n = 1;

	if (fd < 0 || !value.data) {
		free(value.data);
		return err_errno(err, "cannot read the secret from '%s'", path);
	}
	while (n > 0 && value.size <= SECRET_SIZE_MAX) {
		n = read(fd, value.data + value.size, SECRET_SIZE_MAX + 1 - value.size);
		if (n > 0)
			value.size += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0)
		err_errno(err, "cannot read the secret from '%s'", path);
	if (n < 0 || check_size(value.size, err) < 0) {
		secret_value_done(&value);
		return -1;
	}
	value.data[value.size] = '\0';
	*ret = value;
	return 0;
}

/* ---- files ---- */

static int open_directory(const struct store *store, struct err *err)
{
	return store_open_below(store->root_fd, SECRETS_DIRECTORY, SECRETS_DIRECTORY, err);
}

static int write_secret(int dir_fd, const struct secret *s, const struct secret_value *value,
			bool fresh, struct err *err)
{
	struct str text = STR_INIT(SECRET_DOCUMENT_MAX);
	int status = secret_compose(s, value, &text, err);

	if (status == 0)
		status = fresh ? file_create_excl(dir_fd, s->name, text.data, text.len, 0600, true,
						  err)
			       : file_write_atomic(dir_fd, s->name, text.data, text.len, 0600, true,
						   err);
	if (text.cap)
		explicit_bzero(text.data, text.cap);
	str_done(&text);
	return status;
}

static int explain_reading(const char *name, struct err *err)
{
	if (err->kind != ERR_NOT_FOUND)
		return err_wrap(err, "secret '%s'", name);
	err_set(err, ERR_NOT_FOUND, 0, "there is no secret '%.64s'", name);
	return err_hint(err, "insula secret ls lists them");
}

static int read_head(int dir_fd, const char *name, struct secret *ret, struct err *err)
{
	return secret_read_head(dir_fd, name, ret, err) < 0 ? explain_reading(name, err) : 0;
}

int secret_load(struct store *store, const char *name, struct secret_value *ret, struct err *err)
{
	own_fd int dir_fd = open_directory(store, err);

	if (dir_fd < 0)
		return -1;
	return secret_read_value(dir_fd, name, ret, err) < 0 ? explain_reading(name, err) : 0;
}

int secret_list(struct store *store, struct strv *ret_names, struct err *err)
{
	own(strv) struct strv all = STRV_INIT;
	struct err ignored = ERR_INIT;

	if (file_list(store->root_fd, SECRETS_DIRECTORY, &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all.count; i++)
		if (secret_check_name(all.items[i], &ignored) == 0 &&
		    strv_add(ret_names, all.items[i], err) < 0)
			return -1;
	return 0;
}

/* ---- what is asked for ---- */

static int find_by_id(struct store *store, int dir_fd, const char *ref, struct secret *ret,
		      struct err *err)
{
	own(strv) struct strv names = STRV_INIT;
	size_t found = 0;

	if (secret_list(store, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		struct err reading = ERR_INIT;
		struct secret s = {0};

		if (read_head(dir_fd, names.items[i], &s, &reading) < 0)
			continue;
		if (!str_starts(s.id, ref) || ++found > 1) {
			secret_done(&s);
			continue;
		}
		*ret = s;
	}
	if (found == 1)
		return 0;
	if (found)
		secret_done(ret);
	*ret = (struct secret){0};
	err_set(err, ERR_NOT_FOUND, 0,
		found ? "'%.64s' begins more than one secret's id" : "there is no secret '%.64s'",
		ref);
	return err_hint(err, "insula secret ls lists them");
}

int secret_find(struct store *store, const char *ref, struct secret *ret, struct err *err)
{
	struct err looking = ERR_INIT;

	if (secret_check_name(ref, err) < 0)
		return -1;
	own_fd int dir_fd = open_directory(store, err);
	if (dir_fd < 0)
		return -1;
	if (read_head(dir_fd, ref, ret, &looking) == 0)
		return 0;
	if (looking.kind == ERR_NOT_FOUND)
		return find_by_id(store, dir_fd, ref, ret, err);
	*err = looking;
	return -1;
}

static int make_head(const char *name, const struct strv *labels, size_t size, struct secret *s,
		     struct err *err)
{
	char id[ID_LENGTH + 2];

	if (str_random_hex(id, (ID_LENGTH + 1) / 2, err) < 0)
		return -1;
	s->version = 1;
	s->id = str_dup_len(id, ID_LENGTH, err);
	s->name = str_dup(name, err);
	s->created_ns = s->updated_ns = clock_real_ns();
	s->size = size;
	return s->id && s->name ? strv_copy(&s->labels, labels, err) : -1;
}

/* One that gets another value is the same one, and its labels stay where no others are given. */
static int go_on_as(const struct secret *before, struct secret *s, struct err *err)
{
	char *id = str_dup(before->id, err);

	if (!id)
		return -1;
	free(s->id);
	s->id = id;
	s->created_ns = before->created_ns;
	return s->labels.count ? 0 : strv_copy(&s->labels, &before->labels, err);
}

static int put(int dir_fd, struct secret *s, const struct secret_value *value, enum secret_how how,
	       struct err *err)
{
	own(secret) struct secret before = {0};
	struct err creating = ERR_INIT, reading = ERR_INIT;

	if (write_secret(dir_fd, s, value, true, &creating) == 0)
		return 0;
	if (creating.kind != ERR_EXISTS) {
		*err = creating;
		return -1;
	}
	bool whole = read_head(dir_fd, s->name, &before, &reading) == 0;
	if (how == SECRET_REPLACE)
		return whole && go_on_as(&before, s, err) < 0
			       ? -1
			       : write_secret(dir_fd, s, value, false, err);
	if (how == SECRET_IGNORE && whole) {
		struct secret mine = *s;

		*s = before;
		before = mine;
		return 0;
	}
	err_set(err, ERR_EXISTS, 0, "there is a secret '%s' already", s->name);
	return err_hint(err, "--replace gives it this value");
}

/* What writers that were killed have left holds values, too. */
static void sweep(const struct store *store, int dir_fd)
{
	own(strv) struct strv names = STRV_INIT;
	struct err ignored = ERR_INIT;
	struct stat st;

	if (file_list(store->root_fd, SECRETS_DIRECTORY, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++)
		if (file_is_temporary(names.items[i]) &&
		    fstatat(dir_fd, names.items[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < time(NULL) - TEMPORARY_S)
			unlinkat(dir_fd, names.items[i], 0);
}

int secret_create(struct store *store, const char *name, const struct strv *labels,
		  const struct secret_value *value, enum secret_how how, struct secret *ret,
		  struct err *err)
{
	struct secret s = {0};

	if (secret_check_name(name, err) < 0 || check_size(value->size, err) < 0)
		return -1;
	/* What we write is no debris: the doctor looks while there are no creators. */
	own_fd int creators_fd = store_lock_creation(store, LOCK_SHARED, err);
	own_fd int dir_fd = creators_fd < 0 ? -1 : open_directory(store, err);
	if (dir_fd >= 0)
		sweep(store, dir_fd);
	if (dir_fd >= 0 && make_head(name, labels, value->size, &s, err) == 0 &&
	    put(dir_fd, &s, value, how, err) == 0) {
		*ret = s;
		return 0;
	}
	secret_done(&s);
	return -1;
}

/* ---- removal ---- */

static bool has_secret(const struct container *ct, const char *name)
{
	const struct record_secret *secrets = ct->record.secrets.items;

	for (size_t i = 0; i < ct->record.secrets.count; i++)
		if (str_eq(secrets[i].name, name))
			return true;
	return false;
}

static int check_unused(struct store *store, const char *name, struct err *err)
{
	own(str) struct str users = STR_INIT(1024);
	own(strv) struct strv ids = STRV_INIT;
	size_t count = 0;

	if (store_list(store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err reading = ERR_INIT;

		if (store_summarize(store, ids.items[i], &ct, &reading) < 0 ||
		    !has_secret(&ct, name))
			continue;
		if (count++ < USERS_SHOWN)
			str_addf(&users, "%s'%s'", count > 1 ? ", " : "", ct.record.name);
	}
	if (!count)
		return 0;
	if (count > USERS_SHOWN)
		str_addf(&users, " and %zu more", count - USERS_SHOWN);
	err_set(err, ERR_STATE, 0, "secret '%s' is wanted by %s", name, users.data);
	return err_hint(err, "--force removes it all the same: then they cannot be started again");
}

int secret_remove(struct store *store, const char *ref, bool force, struct strv *ret_name,
		  struct err *err)
{
	own(secret) struct secret s = {0};
	struct err finding = ERR_INIT;
	const char *name = ref;
	own_fd int dir_fd = open_directory(store, err);

	if (dir_fd < 0)
		return -1;
	if (secret_find(store, ref, &s, &finding) == 0)
		name = s.name;
	else if (finding.kind != ERR_CORRUPT ||
		 !force) { /* what is damaged is removed by its name */
		*err = finding;
		return -1;
	}
	if (!force && check_unused(store, name, err) < 0)
		return -1;
	if (file_unlink(dir_fd, name, err) < 0)
		return -1;
	if (fsync(dir_fd) < 0)
		return err_errno(err, "cannot write the directory of secrets");
	return strv_add(ret_name, name, err);
}
