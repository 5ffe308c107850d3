/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula-runtime validate: what is wrong with a bundle, before anything is made. */
#include "cli/oci_bundle.h"

static const struct opt validate_table[] = {{0}};

static int run_validate(struct oci *oci, void *options, const struct strv *operands,
			struct err *err)
{
	own(bundle) struct bundle bundle = {0};

	return bundle_load(&bundle, operands->count ? operands->items[0] : ".", NULL, err);
}

const struct oci_verb oci_verb_validate = {
	.name = "validate",
	.usage = "[BUNDLE]",
	.help = "check a bundle's config.json",
	.table = validate_table,
	.max_operands = 1,
	.run = run_validate,
};
