#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# docs/kernels.md tells what each kernel can do: here it is asked of the one that runs.

# shellcheck disable=SC2154  # output is set by run

load helpers

# cells VERSION: "KEY CELL" for each row of the table that has a column of that name.
cells() {
	awk -F ' *\\| *' -v version="$1" '
		$2 == "key" { for (i = 1; i <= NF; i++) if ($i == version) column = i }
		column && $2 ~ /^`/ && !done { gsub("`", "", $2); print $2, $column }
		column && NF < 5 { done = 1 }' "$E2E_DIR/../../docs/kernels.md"
}

@test "the table of kernels is true for the kernel that runs" {
	version=$(uname -r | cut -d. -f1,2 | cut -d- -f1)
	cells "$version" >"$BATS_TEST_TMPDIR/table"
	[ -s "$BATS_TEST_TMPDIR/table" ] || skip "docs/kernels.md has no column for Linux $version"
	static_program "$E2E_DIR/kernels.c" "$BATS_TEST_TMPDIR/probe"
	mkdir "$BATS_TEST_TMPDIR/scratch"
	"$BATS_TEST_TMPDIR/probe" "$BATS_TEST_TMPDIR/scratch" >"$BATS_TEST_TMPDIR/found" || fail "the probe ended with $?"
	cat "$BATS_TEST_TMPDIR/found"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/found")" -eq "$(wc -l <"$BATS_TEST_TMPDIR/table")" ] || fail "rows are missing"
	compared=0
	while read -r key cell; do
		found=$(sed -n "s/^$key \\([a-z]*\\).*/\\1/p" "$BATS_TEST_TMPDIR/found")
		[ -n "$found" ] || fail "the probe does not know $key"
		[ "$cell" != config ] || continue
		[ "$cell" = "$found" ] || fail "docs/kernels.md says that Linux $version has $key: $cell; found: $found"
		compared=$((compared + 1))
	done <"$BATS_TEST_TMPDIR/table"
	[ "$compared" -ge 8 ]
}
