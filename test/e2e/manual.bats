#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The examples of the manual pages do what they say: every command of EXAMPLES (a line that begins with "# ")
# is run as it stands, page by page, in an empty directory, where 'web' is a container that runs. (That every
# option is in its page is a unit test, cli/test_man.c.)

load helpers

PAGES=$E2E_DIR/../../man

# examples PAGE: its commands, one a line.
examples() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$PAGES/$1" | sed 's/^\.Dl //; s/\\e$/\\/; s/\\e/\\/g; s/\\(dq/"/g' |
		awk '/^# / { sub(/^# /, ""); on = 1 }
		on { more = /[\\|]$/; sub(/\\$/, ""); printf "%s%s", $0, more ? " " : "\n"; on = more }'
}

# What an example needs that is not on every machine: terminals, directories of somebody's, devices.
cannot() {
	case $1 in
	*' -it '* | *' /home/ann/'* | *' /dev/video0'* | *' /dev/ttyUSB0'*) return 0 ;;
	*) return 1 ;;
	esac
}

try_page() {
	local command
	insula run -d --name web "$E2E_IMAGE" sleep 300 >/dev/null
	mkdir "$BATS_TEST_TMPDIR/empty"
	cd "$BATS_TEST_TMPDIR/empty" || return
	while read -r command; do
		if cannot "$command"; then
			continue
		fi
		PATH=$INSULA_BIN:$PATH timeout 60 bash -c "${command/logs -f -n 5 --until +30s/logs -f -n 5 --until +1s}" \
			>"$BATS_TEST_TMPDIR/out" 2>&1 </dev/null || fail "$1: $command: $(cat "$BATS_TEST_TMPDIR/out")"
	done < <(examples "$1")
	cd / || return
}

@test "examples of cp, create, exec, logs and secret" {
	for page in insula-cp.1 insula-exec.1 insula-logs.1; do
		try_page $page
		insula rm -f web >/dev/null
		rm -rf "$BATS_TEST_TMPDIR/empty"
	done
	try_page insula-create.1
	[ "$(field clock status)" = running ]
	rm -rf "$BATS_TEST_TMPDIR/empty"
	insula rm -f web >/dev/null
	try_page insula-secret.1
	[ -z "$(insula secret ls -q)" ]
}

@test "examples of the listing and looking verbs" {
	for page in insula-ps.1 insula-events.1 insula-inspect.1 insula-stats.1 insula-top.1; do
		if [ $page = insula-events.1 ]; then
			insula run --rm --network none "$E2E_IMAGE" false || true # which its example is to find
		fi
		try_page $page
		insula rm -f web >/dev/null
		rm -rf "$BATS_TEST_TMPDIR/empty"
	done
}

@test "examples of run, update, mounts, doctor, and of insula(1)" {
	for page in insula-run.1 insula-update.1 insula-mounts.1 insula-devices.1 insula.1 insula-doctor.1; do
		try_page $page
		insula rm -f web 2>/dev/null || true
		rm -rf "$BATS_TEST_TMPDIR/empty"
	done
}

@test "no page has an example that these do not try, and most of them can be tried" {
	local page command tried=0 left=0
	for page in "$PAGES"/*.[158]; do
		page=$(basename "$page")
		# The runtime's has its state in a directory of the host's: spec.bats and oci.bats do the same.
		[ "$page" != insula-runtime.8 ] || continue
		[ -z "$(examples "$page")" ] || grep -qw -- "$page" "$BATS_TEST_FILENAME" || fail "$page"
		while read -r command; do
			cannot "$command" && left=$((left + 1)) || tried=$((tried + 1))
		done < <(examples "$page")
	done
	[ "$tried" -ge 25 ] && [ "$left" -le 6 ] || fail "$tried tried, $left left"
}
