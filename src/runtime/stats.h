/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pieces of a group's statistics. Private to runtime/: stats.c has the tables, stats_values.c what reads
 * and writes one value.
 */
#ifndef INSULA_RUNTIME_STATS_H
#define INSULA_RUNTIME_STATS_H

#include "json/json.h"
#include "kernel/cgroup.h"

#define STATS_FILE_MAX 65536

struct stats {
	const struct cgroup_host *host;
	const struct cgroup *cg;
	struct json_writer *w;
	char *text; /* STATS_FILE_MAX bytes: the file that was read last */
	bool v2;    /* of the controller that is being written */
};

/* Is the controller there, and on v2? */
bool stats_use(struct stats *s, unsigned int controller);
/* Read a file of the controller into s->text; false where it is not there. NULL: not in this version. */
bool stats_read(struct stats *s, unsigned int controller, const char *v1, const char *v2);
/* A number in s->text: alone, or behind KEY and a space at the beginning of a line. "max" and v1's word for
 * it are UINT64_MAX. 0 where there is none. */
uint64_t stats_single(const struct stats *s);
uint64_t stats_keyed(const struct stats *s, const char *key);

/* key and number; the second leaves 0 out, as the field has omitempty. */
void stats_put(struct stats *s, const char *key, uint64_t value);
void stats_put_some(struct stats *s, const char *key, uint64_t value);
/* The number of one file as a member, 0 left out. */
void stats_put_file(struct stats *s, unsigned int controller, const char *key, const char *v1,
		    const char *v2);
/* The lines "KEY NUMBER" of s->text as members of an object. */
void stats_put_map(struct stats *s, const char *key);
/* A list "0-3,8" in s->text as an array of numbers; an empty one is left out. */
void stats_put_list(struct stats *s, const char *key);
/* cpu.pressure and its like: {"some":{...},"full":{...}}. */
void stats_put_pressure(struct stats *s, unsigned int controller, const char *file);
/* Lines "8:0 Read 123" of s->text (v1) as entries; false where there are none. */
bool stats_put_io_v1(struct stats *s, const char *key);
/* "8:0 rbytes=1 wbytes=2" (v2): entries for three of the keys. */
void stats_put_io_v2(struct stats *s, const char *key, const char *const keys[3]);

#endif
