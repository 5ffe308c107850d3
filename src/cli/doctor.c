/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula doctor: what the host can do, and what of ours is left on it that nobody uses. Exit code 0:
 * clean, or made so; 1: there is debris.
 */
#include <fcntl.h>

#include "base/own.h"
#include "cli/cli.h"
#include "engine/doctor.h"
#include "engine/info.h"
#include "json/json.h"
#include "kernel/procattr.h"
#include "runtime/runtime.h"

struct doctor_options {
	bool repair, pad;
	int format;
};

struct visit {
	struct doctor doctor;
	struct host_checks checks;
	struct cgroup_host host;
	struct facts facts;
	size_t left;	  /* findings that are not repaired */
	bool pad;	  /* the launch pad is pinned */
	bool pad_removed; /* and was, until just now */
};

static void visit_done(struct visit *v)
{
	doctor_done(&v->doctor);
	host_checks_done(&v->checks);
	cgroup_host_done(&v->host);
}

/* ---- looking and repairing ---- */

static int examine(struct visit *v, struct store *store, struct err *err)
{
	struct doctor *d = &v->doctor;
	int pad;

	if (facts_probe(AT_FDCWD, &v->facts, err) < 0 ||
	    cgroup_host_probe(AT_FDCWD, &v->host, err) < 0)
		return -1;
	d->store = store;
	d->host = &v->host;
	d->proc_fd = procfs_open(err);
	if (d->proc_fd < 0 ||
	    doctor_check_host(&v->facts, &v->host, d->proc_fd, &v->checks, err) < 0 ||
	    doctor_examine(d, err) < 0)
		return -1;
	pad = runtime_pad_present(store->run, err);
	v->pad = pad > 0;
	v->left = d->count;
	return pad < 0 ? -1 : 0;
}

/* The pad is no debris: the next start would make it again. It goes when somebody says so, and nobody
 * is about to use it. */
static int remove_pad(struct visit *v, struct store *store, struct err *err)
{
	struct store_counts counts;

	if (engine_count(store, &counts, err) < 0)
		return -1;
	if (counts.by_status[CT_RUNNING] || counts.by_status[CT_RESTARTING] ||
	    counts.by_status[CT_STARTING]) {
		err_set(err, ERR_BUSY, 0, "the launch pad is in use: a container runs");
		return err_hint(err, "insula stop --all ends them");
	}
	if (runtime_pad_remove(store->run, err) < 0)
		return -1;
	v->pad_removed = v->pad;
	v->pad = false;
	return 0;
}

/* ---- for people ---- */

static void print_finding(const struct finding *f)
{
	char label[256], reason[1024];

	printf("  found  %s %s\n", finding_kind(f), str_printable(f->label, label, sizeof label));
	printf("         %s\n", str_printable(f->reason, reason, sizeof reason));
	if (f->repaired)
		printf("         repaired: %s\n", finding_remedy(f));
	else if (f->problem)
		printf("         not repaired: %s\n",
		       str_printable(f->problem, reason, sizeof reason));
	else
		printf("         remedy: %s\n", finding_remedy(f));
}

static void print_text(const struct visit *v, const struct store *store)
{
	puts("This host");
	for (size_t i = 0; i < v->checks.count; i++)
		printf("  %-5s  %s: %s\n", v->checks.items[i].ok ? "ok" : "note",
		       v->checks.items[i].subject, v->checks.items[i].text);
	printf("The store in %s and %s\n", store->root, store->run);
	if (v->pad)
		printf("  ok     launch pad: pinned at %s/pad, the one mount of ours on this "
		       "host\n",
		       store->run);
	if (v->pad_removed)
		puts("  ok     launch pad: removed");
	for (size_t i = 0; i < v->doctor.count; i++)
		print_finding(&v->doctor.findings[i]);
	if (!v->doctor.count)
		puts("  ok     nothing of ours is left that nobody uses");
	else if (v->left && !v->doctor.findings[0].repaired && !v->doctor.findings[0].problem)
		puts("insula doctor --repair does what the remedies say.");
}

/* ---- for programs ---- */

static void write_finding(struct json_writer *w, const struct finding *f)
{
	json_write_object(w);
	json_write_member(w, "kind", finding_kind(f));
	json_write_member(w, "object", f->label);
	json_write_member(w, "reason", f->reason);
	json_write_member(w, "remedy", finding_remedy(f));
	json_write_member_bool(w, "repaired", f->repaired);
	if (f->problem)
		json_write_member(w, "problem", f->problem);
	json_write_end(w, '}');
}

static void write_check(struct json_writer *w, const struct host_check *check)
{
	json_write_object(w);
	json_write_member(w, "subject", check->subject);
	json_write_member_bool(w, "ok", check->ok);
	json_write_member(w, "text", check->text);
	json_write_end(w, '}');
}

static int print_json(const struct visit *v, struct err *err)
{
	own(str) struct str text = STR_INIT((size_t)64 << 20);
	struct json_writer w;

	json_writer_init(&w, &text, 2);
	json_write_object(&w);
	json_write_member_bool(&w, "clean", v->left == 0);
	json_write_member_bool(&w, "launch_pad", v->pad);
	json_write_key(&w, "host");
	json_write_array(&w);
	for (size_t i = 0; i < v->checks.count; i++)
		write_check(&w, &v->checks.items[i]);
	json_write_end(&w, ']');
	json_write_key(&w, "findings");
	json_write_array(&w);
	for (size_t i = 0; i < v->doctor.count; i++)
		write_finding(&w, &v->doctor.findings[i]);
	json_write_end(&w, ']');
	json_write_end(&w, '}');
	if (str_check(&text, "the report", err) < 0)
		return -1;
	puts(text.data);
	return 0;
}

/* ---- the verb ---- */

static int run_doctor(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	const struct doctor_options *options = data;
	own(visit) struct visit v = {.doctor = DOCTOR_INIT};

	if (options->pad && !options->repair) {
		err_set(err, ERR_USAGE, 0, "--pad is a part of --repair");
		return err_hint(err, "insula doctor --repair --pad");
	}
	if (examine(&v, &cli->store, err) < 0)
		return -1;
	if (options->repair)
		v.left = doctor_repair(&v.doctor);
	if (options->pad && remove_pad(&v, &cli->store, err) < 0)
		return -1;
	if (options->format == 1 && print_json(&v, err) < 0)
		return -1;
	if (options->format == 0)
		print_text(&v, &cli->store);
	cli->exit_code = v.left ? 1 : 0;
	return 0;
}

#define DOCTOR(field) offsetof(struct doctor_options, field)

static const char *const formats[] = {"text", "json", NULL};

static const struct opt doctor_table[] = {
	{"repair", 0, OPT_BOOL, DOCTOR(repair), .help = "remove what is found"},
	{"pad", 0, OPT_BOOL, DOCTOR(pad),
	 .help = "with --repair: remove the launch pad too, unless a container runs"},
	{"format", 0, OPT_CHOICE, DOCTOR(format), .value_name = "FORMAT",
	 .help = "output, text by default", .choices = formats},
	{0},
};

const struct verb cli_verb_doctor = {
	.name = "doctor",
	.usage = "",
	.help = "prove that nothing of ours is left on the host, or make it so",
	.table = doctor_table,
	.options_size = sizeof(struct doctor_options),
	.flags = VERB_STORE,
	.run = run_doctor,
};
