#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The guide does what it says: every command of a console block (a line that begins with
# "# ") is run, in order, in one empty directory, and prints what stands below it; one that begins with "$ "
# is an ordinary user's. Lines that begin with a prompt of a container are typed at a terminal there, and
# "ctrl-p ctrl-q" is those keys. Ids, times and the number of an id range differ each time; blanks are
# those of a terminal.

load helpers

USER_ID=54324 # nobody has it

setup() {
	e2e_setup
	USER_HOME=$E2E_STATE/home
}

teardown() {
	local ids
	if [ -d "$USER_HOME" ]; then
		ids=$(as_user insula ps --all --quiet)
		# shellcheck disable=SC2086  # ids are hex words
		[ -z "$ids" ] || as_user insula rm --force $ids
	fi
	e2e_teardown
}

# Programs and directories of an ordinary user, for whom nothing else is prepared.
user_setup() {
	chmod 755 "$E2E_STATE"
	install -d -o $USER_ID -g $USER_ID "$USER_HOME" "$USER_HOME/runtime"
	install -d "$E2E_STATE/bin"
	cp "$INSULA_BIN"/{insula,insula-keeper,insula-init} "$E2E_STATE/bin"
}

as_user() {
	setpriv --reuid $USER_ID --regid $USER_ID --clear-groups --inh-caps=-all \
		env -i -C "$USER_HOME" PATH="$E2E_STATE/bin:/usr/bin:/bin" HOME="$USER_HOME" \
		XDG_RUNTIME_DIR="$USER_HOME/runtime" "$@"
}

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

# in_shell PROMPT STATUS COMMAND: run it as the shell that typed the one before it; what it prints.
in_shell() {
	local shell=(bash)
	[ "$1" = '#' ] || shell=(as_user bash)
	(cd "$BATS_TEST_TMPDIR" && "${shell[@]}" -c "(exit $2); $3" 2>&1)
}

# The same with a terminal, at which the given lines are typed.
at_terminal() {
	local command=$1 steps=() typed
	shift
	for typed; do
		typed+='\r'
		steps+=(--expect '# ' --send "${typed/#'ctrl-p ctrl-q\r'/'\x10\x11'}")
	done
	# shellcheck disable=SC2086  # words of a command without quotes
	pty "${steps[@]}" -- $command
}

# check_session LINE WANTED TYPED...
check_session() {
	local prompt=${1%% *} command=${1#* } wanted=$2 got printed
	shift 2
	if [ $# -gt 0 ]; then
		got=$(at_terminal "$command" "$@" | sed 's/\x1b\[?2004[hl]//g' | normalised)
		while IFS= read -r line; do
			[ -z "$line" ] || grep -q -x -F -e "$line" <<<"$got" || fail "$command: no line '$line' in: $got"
		done < <(normalised <<<"$wanted")
		return
	fi
	printed=$(in_shell "$prompt" "$last" "$command") && last=0 || last=$?
	got=$(normalised <<<"$printed")
	wanted=$(normalised <<<"$wanted")
	# The processes of a container begin when they like.
	[[ $command != *" ps -e "* ]] || { got=$(sort <<<"$got") && wanted=$(sort <<<"$wanted"); }
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
		elif [[ $line == ['#$']' '* ]]; then
			[ -z "$command" ] || check_session "$command" "$wanted" "${typed[@]}" || return
			command=$line wanted='' typed=()
			count=$((count + 1))
		else
			wanted+=${wanted:+$'\n'}$line
		fi
	done < <(console_lines "$1")
	[ -z "$command" ] || check_session "$command" "$wanted" "${typed[@]}" || return
}

@test "every command of the guide's first steps prints what it says" {
	run_document "$E2E_DIR/../../docs/guide/first-steps.md"
	[ "$count" -gt 30 ]
}

@test "every command of the ten everyday tasks prints what it says" {
	user_setup
	run_document "$E2E_DIR/../../docs/guide/everyday.md"
	[ "$count" -gt 70 ]
}
