/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this runtime can do, as the "features" document of runtime-spec 1.3 (features.md): what it knows,
 * whatever the kernel at hand has of it; only seccomp's supportedFlags are the kernel's.
 */
#ifndef INSULA_RUNTIME_FEATURE_LIST_H
#define INSULA_RUNTIME_FEATURE_LIST_H

#include "base/err.h"
#include "base/str.h"

int runtime_features_print(unsigned int indent, struct str *out, struct err *err);

#endif
