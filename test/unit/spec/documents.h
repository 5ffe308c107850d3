/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of this layer share: recorded documents and a small valid one to vary. */
#ifndef INSULA_TEST_SPEC_DOCUMENTS_H
#define INSULA_TEST_SPEC_DOCUMENTS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/own.h"
#include "spec/spec.h"
#include "test.h"

/* A whole file below test/data/spec; the caller frees it. */
static inline char *document_read(const char *path, size_t *ret_size)
{
	own_free char *full = NULL;
	char *text = NULL;
	struct err err = ERR_INIT;
	own_fd int fd = -1;
	ssize_t size;

	CHECK(asprintf(&full, "%s/spec/%s", TEST_DATA, path) > 0);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", full, strerror(errno));
	size = fd_read_all(fd, 1u << 20, path, &text, &err);
	CHECK(size >= 0);
	*ret_size = (size_t)size;
	return text;
}

/* spec_parse of a text. */
static inline int document_parse(const char *text, struct spec *ret, struct err *err)
{
	return spec_parse(text, strlen(text), "config.json", ret, err);
}

/* The smallest document there is, with `members` put into the `linux` object. */
static inline char *document_with_linux(const char *members)
{
	char *text = NULL;

	CHECK(asprintf(&text,
		       "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},"
		       "\"process\":{\"args\":[\"true\"],\"cwd\":\"/\"},"
		       "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]%s%s}}",
		       *members ? "," : "", members) > 0);
	return text;
}

#endif
