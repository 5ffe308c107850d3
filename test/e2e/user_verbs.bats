#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every verb of `insula --help` for an ordinary user: alone, with a range of ids, and with a control group. What
# a row has to say is its outcome or the one refusal. What each verb does in full is in the files of their own.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # each test has variables of its own

load helpers
load as_user

# Rows: VERB AND ARGUMENTS | EXIT STATUS | WHAT IS SAID. In order, about a container "web" that runs and one "made" that is
# made by the first row. In place of a status, "group": it takes a control group, and is refused without; "ids":
# it takes a range. IMAGE and HOME are put in; the words are split as a shell does.
rows() {
	cat <<-'ROWS'
		create --name made IMAGE sh -c "echo out; exit 4" | 0 |
		start --attach made | 4 | out
		wait made | 0 | 4
		logs --timestamps made | 0 | out
		run --rm IMAGE echo hello | 0 | hello
		run --rm --memory 64m IMAGE echo limited | group | limited
		run --rm --init IMAGE readlink /proc/1/exe | 0 | insula
		run --rm --device /dev/full:/dev/brim IMAGE stat -c %t,%T /dev/brim | 0 | 1,7
		run --rm --privileged IMAGE true | 125 | --privileged
		exec web sh -c "exit 9" | 9 |
		exec -u 7 web id -u | ids | 7
		ps --filter status=running --format {{.Names}} | 0 | web
		top web pid,user,args | 0 | root
		pause web | group | web
		unpause web | group | web
		stats --no-stream --format {{.Name}} web | group | web
		stats --no-stream | group | web
		update --memory 48m --pids-limit 30 web | group | web
		update --restart on-failure:1 web | 0 | web
		rename made other | 0 |
		inspect --format {{.Name}} other | 0 | other
		inspect --security web | 0 | HostUid
		cp HOME/file web:/srv | 0 |
		cp web:/srv/file - | 0 | content
		diff web | 0 | A /srv/file
		mounts add web HOME/data:/srv/data type=tmpfs,dst=/srv/tmp | 0 |
		mounts add web HOME/data:/srv/x:idmap | 125 | takes root
		mounts list --format {{.Destination}} web | 0 | /srv/data
		mounts remove web /srv/data | 0 |
		devices add web /dev/full:/dev/brim | 0 |
		devices add web /dev/nothing | 125 | /dev/nothing
		devices list web | 0 | /dev/brim
		devices remove web /dev/brim | 0 |
		healthcheck run web | 0 | healthy
		restart -t 0 web | 0 | web
		kill -s WINCH web | 0 | web
		stop -t 0 web | 0 | web
		stop -t 0 web | 0 | web
		start web | 0 | web
		up | 0 |
		generate systemd web | 0 | WantedBy=default.target
		events --no-stream --filter container=web --format {{.Event}} | 0 | device_remove
		info | 0 | HOME/.local/share/insula
		version | 0 | 0.1
		doctor | 0 | nothing of ours is left
		system df | 0 | Containers
		system check | 0 | 0 problems
		system upgrade | 0 | web
		secret ls | 0 | NAME
		completion bash | 0 | insula
		prune --force | 0 |
		attach other | 125 | no container
		rm web | 125 | running
		rm --force web | 0 | web
	ROWS
}

row() {
	local command=$1 wanted=$2 said=$3
	case $wanted in
	group) if has_groups; then wanted=0; else wanted=125 said='Delegation'; fi ;;
	ids) if [ -n "$HOLDER" ]; then wanted=0; else wanted=125 said="does not exist"; fi ;;
	esac
	command=${command//IMAGE/$IMAGE}
	command=${command//HOME/$HOME_DIR}
	said=${said//HOME/$HOME_DIR}
	eval "set -- $command"
	mine "$@" >"$E2E_STATE/said" 2>"$E2E_STATE/errors" && status=0 || status=$?
	# shellcheck disable=SC2034  # fail() prints it
	stderr=$(<"$E2E_STATE/errors")
	[ "$status" -eq "$wanted" ] || fail "expected exit status $wanted: $command" || return
	grep -q -a -F -- "$said" "$E2E_STATE/said" "$E2E_STATE/errors" || [ -z "$said" ] || fail "expected '$said': $command" || return
	# One error or none, and no warning.
	[ "$(grep -v -c '^hint: ' "$E2E_STATE/errors")" -eq $((wanted == 125)) ] || fail "$command"
}

sweep() {
	local command status_of said
	install -d -o "$USER_ID" -g "$USER_ID" "$HOME_DIR/data"
	echo content | as_user tee "$HOME_DIR/file" >/dev/null
	ok mine run -d --name web --health-cmd true "$IMAGE" sh -c 'while :; do sleep 0.1; done'
	while IFS='|' read -r command status_of said; do
		said=${said# }
		row "${command% }" "${status_of//[[:space:]]/}" "$said"
	done < <(rows)
	[ -z "$(mine ps --all --quiet)" ] || fail "$(mine ps --all)"
}

@test "every verb has a row" {
	local verb
	for verb in $(insula --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		rows | grep -q "^$verb " || rows | grep -q "^$verb|" || fail "no row: $verb"
	done
	[ "$(insula --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p' | wc -l)" -ge 30 ]
}

@test "alone: every verb does what it is for, or says in one line why not" {
	sweep
}

@test "range: every verb does what it is for, or says in one line why not" {
	with_range
	sweep
}

@test "a control group of his: every verb does what it is for" {
	with_groups
	sweep
}
