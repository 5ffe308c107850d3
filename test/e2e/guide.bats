#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The guide does what it says: every command of a console block (a line that begins with
# "# ") is run, in order, in one empty directory, and prints what stands below it. Lines
# that begin with a prompt of a container are typed at a terminal there. Ids, times and the number of
# an id range differ each time; blanks are those of a terminal.

load helpers

setup_file() { file_setup; }
teardown_file() { file_teardown; }
setup() { e2e_setup; }
teardown() { e2e_teardown; }

CONTAINER_PROMPT='^root@[0-9a-f]{12}:[^#]*# (.*)$'

# The lines of a document that stand in its console blocks.
console_lines() {
	awk '/^```console$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$1"
}

normalised() {
	tr -d '\r' | sed -E -e 's/\b([0-9a-f]{64}|[0-9a-f]{12})\b/ID/g' \
		-e 's/less than a second|[0-9]+ seconds?/TIME/g' \
		-e 's/[A-Z][a-z]{2} [A-Z][a-z]{2} +[0-9]+ [0-9:]{8} [A-Z]+ [0-9]{4}/DATE/' \
		-e 's/[A-Z][a-z]{2} +[0-9]{1,2} [0-9]{2}:[0-9]{2}/TIME/' \
		-e 's/[0-9]{9,10} +65536$/BASE 65536/' -e 's/ +/ /g; s/ $//' -e '/^total [0-9]+$/d'
}

# Run one command as the shell that typed the one before it; what it prints.
in_shell() {
	(cd "$BATS_TEST_TMPDIR" && exec bash -c "(exit $1); $2" 2>&1)
}

# The same with a terminal, at which the given lines are typed.
at_terminal() {
	local command=$1 steps=() typed
	shift
	for typed; do steps+=(--expect '# ' --send "$typed\\r"); done
	# shellcheck disable=SC2086  # words of a command without quotes
	pty "${steps[@]}" -- $command
}

# check_session COMMAND WANTED TYPED...
check_session() {
	local command=$1 wanted=$2 got printed
	shift 2
	if [ $# -gt 0 ]; then
		got=$(at_terminal "$command" "$@" | sed 's/\x1b\[?2004[hl]//g' | normalised)
		while IFS= read -r line; do
			grep -q -x -F -e "$line" <<<"$got" || fail "$command: no line '$line' in: $got"
		done < <(normalised <<<"$wanted")
		return
	fi
	printed=$(in_shell "$last" "$command") && last=0 || last=$?
	got=$(normalised <<<"$printed")
	wanted=$(normalised <<<"$wanted")
	[ "$got" = "$wanted" ] || fail "$command: expected: $wanted -- printed: $got"
}

# Every command of a document; how many there were is in $count.
run_document() {
	local command='' wanted='' typed=() line
	count=0
	last=0
	PATH=$INSULA_BIN:$PATH
	while IFS= read -r line; do
		if [[ $line =~ $CONTAINER_PROMPT ]]; then
			typed+=("${BASH_REMATCH[1]}")
		elif [[ $line == '# '* ]]; then
			[ -z "$command" ] || check_session "$command" "$wanted" "${typed[@]}" || return
			command=${line#'# '} wanted='' typed=()
			count=$((count + 1))
		else
			wanted+=${wanted:+$'\n'}$line
		fi
	done < <(console_lines "$1" | grep -v '^\$ ')
	[ -z "$command" ] || check_session "$command" "$wanted" "${typed[@]}" || return
}

@test "every command of the guide's first steps prints what it says" {
	run_document "$E2E_DIR/../../docs/guide/first-steps.md"
	[ "$count" -gt 30 ]
}
