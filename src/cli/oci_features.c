/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula-runtime features: what this runtime can do, for engines. */
#include <stdio.h>

#include "base/own.h"
#include "cli/oci.h"
#include "runtime/feature_list.h"

static const struct opt features_table[] = {{0}};

static int run_features(struct oci *oci, void *options, const struct strv *operands,
			struct err *err)
{
	own(str) struct str text = STR_INIT(1u << 20);

	if (runtime_features_print(2, &text, err) < 0)
		return -1;
	puts(text.data);
	return 0;
}

const struct oci_verb oci_verb_features = {
	.name = "features",
	.usage = "",
	.help = "say what this runtime can do, as JSON",
	.table = features_table,
	.run = run_features,
};
