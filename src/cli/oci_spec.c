/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula-runtime spec: a configuration to begin with. */
#include <stdio.h>

#include "cli/oci_bundle.h"

static const struct opt spec_table[] = {{0}};

static int run_spec(struct oci *oci, void *options, const struct strv *operands, struct err *err)
{
	own(bundle) struct bundle bundle = {0};
	own(str) struct str text = STR_INIT(1u << 20);

	bundle_init(&bundle);
	if (spec_default(&bundle.spec, err) < 0 || spec_print(&bundle.spec, 4, &text, err) < 0)
		return -1;
	puts(text.data);
	return 0;
}

const struct oci_verb oci_verb_spec = {
	.name = "spec",
	.usage = "",
	.help = "print a default config.json",
	.table = spec_table,
	.run = run_spec,
};
