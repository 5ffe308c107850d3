/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A compiled filter from elsewhere: base64 (RFC 4648, padded) of the kernel's own array. What is checked
 * here is that it is one; that it is a program, the kernel checks.
 */
#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "kernel/seccomp.h"

static int digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Four digits to three bytes. Returns how many, or -1. */
static int decode_group(const char *text, bool last, uint8_t out[3])
{
	int padding = last ? (text[3] == '=') + (text[3] == '=' && text[2] == '=') : 0;
	uint32_t bits = 0;

	for (int i = 0; i < 4; i++) {
		int value = i >= 4 - padding ? 0 : digit(text[i]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
	}
	for (int i = 0; i < 3; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	return 3 - padding;
}

static int decode(const char *text, size_t len, uint8_t *out, size_t *ret_size)
{
	*ret_size = 0;
	for (size_t i = 0; i < len; i += 4) {
		uint8_t bytes[3];
		int n = decode_group(text + i, i + 4 == len, bytes);

		if (n < 0)
			return -1;
		memcpy(out + *ret_size, bytes, (size_t)n);
		*ret_size += (size_t)n;
	}
	return 0;
}

static bool notifies(const struct sock_filter *insns, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (insns[i].code == (BPF_RET | BPF_K) &&
		    (insns[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF)
			return true;
	return false;
}

int seccomp_filter_decode(const char *base64, struct seccomp_filter *ret, struct err *err)
{
	size_t len = strlen(base64), size = 0;
	own_free uint8_t *data = NULL;

	if (len % 4 != 0 || len == 0)
		return err_set(err, ERR_INVALID, 0,
			       "is not base64: its length is not a multiple of 4");
	if (len / 4 * 3 > BPF_MAXINSNS * sizeof(struct sock_filter) + 2)
		return err_set(err, ERR_LIMIT, 0, "has more than %d instructions", BPF_MAXINSNS);
	data = malloc(len / 4 * 3);
	if (!data)
		return err_set(err, ERR_LIMIT, 0, "out of memory");
	if (decode(base64, len, data, &size) < 0)
		return err_set(err, ERR_INVALID, 0, "is not base64");
	if (size == 0 || size % sizeof(struct sock_filter))
		return err_set(err, ERR_INVALID, 0,
			       "is not a seccomp program: %zu bytes are no whole "
			       "number of instructions",
			       size);
	size_t count = size / sizeof(struct sock_filter);
	struct sock_filter *insns = (void *)take(data);
	*ret = (struct seccomp_filter){
		.insns = insns, .count = (unsigned short)count, .notify = notifies(insns, count)};
	return 0;
}
