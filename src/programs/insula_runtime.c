/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* insula-runtime: the caller's privilege; ends when its verb is done; serves nobody. */
#include "cli/oci.h"

int main(int argc, char *argv[])
{
	return oci_main(argc, argv);
}
