/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process of an exec: an object of its own, or the container's with another command. What it does not
 * say of limits, capabilities and labels is as the container has it, so that a process that enters is
 * never less confined for want of a line.
 */
#include <stdlib.h>

#include "base/own.h"
#include "spec/fields.h"
#include "spec/validate.h"

/* Hand over a member: the old value goes where it is released. */
#define EXCHANGE(a, b) \
	do { \
		__typeof__(a) held = (a); \
		(a) = (b); \
		(b) = held; \
	} while (0)

static bool is_empty(const char *text)
{
	return !text || !*text;
}

static void inherit(struct spec_process *p, struct spec_process *from)
{
	if (!p->caps_given) {
		p->caps_given = from->caps_given;
		p->caps = from->caps;
	}
	if (!p->rlimit_count) {
		EXCHANGE(p->rlimits, from->rlimits);
		EXCHANGE(p->rlimit_count, from->rlimit_count);
	}
	if (!p->oom_given) {
		p->oom_given = from->oom_given;
		p->oom_score_adj = from->oom_score_adj;
	}
	if (p->user.umask < 0)
		p->user.umask = from->user.umask;
	if (is_empty(p->apparmor_profile))
		EXCHANGE(p->apparmor_profile, from->apparmor_profile);
	if (is_empty(p->selinux_label))
		EXCHANGE(p->selinux_label, from->selinux_label);
	if (!p->scheduler)
		EXCHANGE(p->scheduler, from->scheduler);
	if (!p->io_priority)
		EXCHANGE(p->io_priority, from->io_priority);
	if (!p->affinity_initial && !p->affinity_final) {
		EXCHANGE(p->affinity_initial, from->affinity_initial);
		EXCHANGE(p->affinity_final, from->affinity_final);
	}
}

int spec_replace_process(struct spec *s, const char *text, size_t size, const char *name,
			 struct err *err)
{
	struct spec_process p = {.user.umask = -1};
	own_json struct json *doc = json_parse(text, size, name, err);

	if (!doc || json_bind(doc, 0, spec_process_fields, JSON_UNKNOWN_ALLOW, &p, err) < 0)
		return -1;
	inherit(&p, &s->process);
	EXCHANGE(s->process, p);
	s->process_given = true;
	json_bind_done(spec_process_fields, &p);
	return 0;
}

int spec_check_process(const struct spec *s, struct err *err)
{
	return spec_validate_process(s, NULL, err);
}
