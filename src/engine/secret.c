/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The store of secrets: a file for each below ROOT/secrets, 0600 in directories of 0700, named as the secret is.
 *
 * A file has two lines, as records have, each with its checksum: what may be shown, and the value, as hex digits,
 * since a value is bytes and JSON is text. A list reads no further than the first. It is written beside and
 * renamed, so that whoever reads it has the old one or the new one, whole. It is not encrypted: whoever can read
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
#include "engine/store_private.h"

#define NAME_MAX_LENGTH 200 /* a file's name, with what is around it while it is written */
#define ID_LENGTH 25	    /* as podman has it */
#define HEAD_MAX (256u << 10)
#define DOCUMENT_MAX (HEAD_MAX + 2 * SECRET_SIZE_MAX + 128)
#define USERS_SHOWN 4
#define TEMPORARY_S 60 /* of a writer that was killed */

struct secret_part {
	char *value;
};

static const struct json_field head_fields[] = {
	{.key = "version",
	 .kind = JSON_F_INT,
	 .offset = offsetof(struct secret, version),
	 .required = true,
	 .min = 1,
	 .max = 1},
	{.key = "id",
	 .kind = JSON_F_STRING,
	 .offset = offsetof(struct secret, id),
	 .required = true},
	{.key = "name",
	 .kind = JSON_F_STRING,
	 .offset = offsetof(struct secret, name),
	 .required = true},
	{.key = "created_ns", .kind = JSON_F_I64, .offset = offsetof(struct secret, created_ns)},
	{.key = "updated_ns", .kind = JSON_F_I64, .offset = offsetof(struct secret, updated_ns)},
	{.key = "labels", .kind = JSON_F_STRINGS, .offset = offsetof(struct secret, labels)},
	{.key = "size", .kind = JSON_F_U64, .offset = offsetof(struct secret, size)},
	{0},
};

static const struct json_field value_fields[] = {
	{.key = "value",
	 .kind = JSON_F_STRING,
	 .offset = offsetof(struct secret_part, value),
	 .required = true},
	{0},
};

void secret_done(struct secret *s)
{
	json_bind_done(head_fields, s);
}

static void forget(char *data, size_t size)
{
	if (data)
		explicit_bzero(data, size);
	free(data);
}

void secret_value_done(struct secret_value *v)
{
	forget(v->data, v->size);
	*v = (struct secret_value){0};
}

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

static char *to_hex(const struct secret_value *value, struct err *err)
{
	static const char digits[] = "0123456789abcdef";
	char *text = malloc(2 * value->size + 1);

	if (!text) {
		err_set(err, ERR_LIMIT, ENOMEM, "cannot keep the secret");
		return NULL;
	}
	for (size_t i = 0; i < value->size; i++) {
		text[2 * i] = digits[(unsigned char)value->data[i] >> 4];
		text[2 * i + 1] = digits[value->data[i] & 15];
	}
	text[2 * value->size] = '\0';
	return text;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int from_hex(const char *text, struct secret_value *ret, struct err *err)
{
	size_t size = strlen(text) / 2;
	struct secret_value value = {.data = malloc(size + 1), .size = size};

	for (size_t i = 0; value.data && i < size; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			secret_value_done(&value);
			return err_set(err, ERR_CORRUPT, 0, "its value is no sequence of bytes");
		}
		value.data[i] = (char)(high << 4 | low);
	}
	if (!value.data)
		return err_set(err, ERR_LIMIT, ENOMEM, "cannot read the secret");
	value.data[size] = '\0';
	*ret = value;
	return 0;
}

static int compose(const struct secret *s, const struct secret_value *value, struct str *text,
		   struct err *err)
{
	struct secret_part part = {.value = to_hex(value, err)};
	const struct store_part parts[] = {{head_fields, (void *)s}, {value_fields, &part}};
	int status = part.value ? store_compose("the secret", parts, 2, text, err) : -1;

	forget(part.value, 2 * value->size);
	return status;
}

static int write_secret(int dir_fd, const struct secret *s, const struct secret_value *value,
			bool fresh, struct err *err)
{
	struct str text = STR_INIT(DOCUMENT_MAX);
	int status = compose(s, value, &text, err);

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

static int read_head(int dir_fd, const char *name, struct secret *ret, struct err *err)
{
	struct secret s = {0};
	const struct store_part part = {head_fields, &s};

	if (store_read_document(dir_fd, name, 0, &part, 1, HEAD_MAX, err) == 0) {
		*ret = s;
		return 0;
	}
	secret_done(&s);
	if (err->kind != ERR_NOT_FOUND)
		return err_wrap(err, "secret '%s'", name);
	err_set(err, ERR_NOT_FOUND, 0, "there is no secret '%.64s'", name);
	return err_hint(err, "insula secret ls lists them");
}

int secret_load(struct store *store, const char *name, struct secret_value *ret, struct err *err)
{
	own_fd int dir_fd = open_directory(store, err);
	struct secret_part read = {0};
	const struct store_part part = {value_fields, &read};
	own(secret) struct secret head = {0};

	if (dir_fd < 0 || read_head(dir_fd, name, &head, err) < 0)
		return -1;
	int status = store_read_document(dir_fd, name, 1, &part, 1, DOCUMENT_MAX, err);
	if (status == 0)
		status = from_hex(read.value, ret, err);
	forget(read.value, read.value ? strlen(read.value) : 0);
	return status < 0 ? err_wrap(err, "secret '%s'", name) : 0;
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
