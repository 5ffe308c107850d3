#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who owns what: the table of insula-rootless(7), cell by cell. A test for each of its columns makes containers and
# writes down what it finds, row by row, in the words of the table; then both are compared.
#
# U is the user's id, R+n one of his range, F+n one of the range that a container of root's has.

# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # each test has variables of its own

load helpers
load as_user

MAN=$E2E_DIR/../../man/insula-rootless.7
GUIDE=$E2E_DIR/../../docs/guide/users.md
PORT=811 # below 1024, and nobody's

setup() {
	user_setup
	COLUMN=
	FIRST=
}

teardown() {
	case $COLUMN in
	root | host)
		export INSULA_ROOT=$E2E_STATE/lib INSULA_RUNROOT=$E2E_STATE/run
		e2e_teardown
		;;
	*) user_teardown ;;
	esac
}

# The rows of the table, "name|root|host|range|alone|group", from where they stand.
table_of_man() {
	sed -n '/^\.\\" the table/,/^\.El/s/^\.It \(.*\)$/\1/p' "$MAN" | sed -e '/^Sy /d' -e 's/ Ta /|/g'
}

table_of_guide() {
	sed -n 's/^| \(.*\) |$/\1/p' "$GUIDE" | sed -e '/^what | /d' -e 's/ | /|/g'
}

# ---- finding out ----

# In the words of the table.
word() {
	local id=$1
	case $id in
	'' | *[!0-9]*) echo "${id:-no}" ;;
	*)
		if [ "$id" = "$USER_ID" ]; then
			echo U
		elif [ "$id" -ge "$RANGE" ] && [ "$id" -lt $((RANGE + 65536)) ]; then
			echo "R+$((id - RANGE))"
		elif [ -n "$FIRST" ] && [ "$id" -ge "$FIRST" ] && [ "$id" -lt $((FIRST + 65536)) ]; then
			echo "F+$((id - FIRST))"
		else
			echo "$id"
		fi
		;;
	esac
}

# cell NAME VALUE
cell() {
	echo "$1|$(word "$2")" >>"$E2E_STATE/cells"
}

# The engine as who the column is about.
engine() {
	case $COLUMN in
	root | host) insula "$@" ;;
	*) mine "$@" ;;
	esac
}

# engine_run FLAG... IMAGE COMMAND
engine_run() {
	if [ "$COLUMN" = host ]; then insula run --userns host "$@"; else engine run "$@"; fi
}

yes_or_no() {
	if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi
}

detail_of() {
	engine inspect web | jq -r ".[0] | $1"
}

# Printed inside: NAME|VALUE.
INSIDE_SCRIPT='
	cell() { echo "$1|$2"; }
	cell "ids that exist inside" "$(awk "{ n += \$3 } END { print n == 4294967295 ? \"all\" : n }" /proc/self/uid_map)"
	cell "file of yours in the image, inside" "$(stat -c %u /own)"
	cell "file of id 1000 in the image, inside" "$(stat -c %u /other)"
	touch /new /other-new && chown 1000:1000 /other-new 2>/dev/null || rm /other-new
	cell "tmpfs, inside" "$(touch /dev/shm/x; stat -c %u /dev/shm/x)"
	cell "your directory as a volume, inside" "$(stat -c %u /data)"
	touch /data/new
	cell "directory of root as a volume, inside" "$(stat -c %u /rootdata)"
	cell "directory of root as a volume, written" "$(touch /rootdata/new 2>/dev/null && echo yes || echo no)"
	cell "device node, inside" "$(stat -c %u /dev/null)"
	cell "device node, used" "$(echo x >/dev/null && echo yes || echo no)"
	cell "sysctl of the host, written" "$(echo 5 2>/dev/null >/proc/sys/kernel/panic && echo yes || echo no)"
	cell "capabilities inside" "$(grep -q "^CapEff:.00000000800405fb$" /proc/self/status && echo default || grep CapEff /proc/self/status)"
	echo "end|"
	exec sleep 1000'

end_of_script() {
	engine logs web 2>&1 | grep -q '^end|'
}

# ---- a column ----

fill_inside() {
	local name value
	eventually 20 end_of_script
	while IFS='|' read -r name value; do
		[ "$name" = end ] || cell "$name" "$value"
	done < <(engine logs web)
}

fill_files() {
	local upper
	upper=$(detail_of .GraphDriver.Data.UpperDir)
	cell "file made by root, on the host" "$(stat -c %u "$upper/new")"
	cell "file made by id 1000, on the host" "$(stat -c %u "$upper/other-new" 2>/dev/null)"
	cell "file made in your volume, on the host" "$(stat -c %u "$E2E_STATE/data/new")"
}

fill_keeper() {
	local directory=$1 run=$2 keeper
	keeper=$(detail_of .State.KeeperPid)
	cell "root of the container, on the host" "$(stat -c %u "/proc/$(detail_of .State.Pid)")"
	cell "its keeper, on the host" "$(stat -c %u "/proc/$keeper")"
	cell "rights of the keeper over the host" "$(keeper_rights "$keeper")"
	cell "record, log and socket: owner" "$(find "$directory" "$run" -maxdepth 1 \( -name 'log*' -o -name '*.json' -o -type s -o -type d \) -printf '%U\n' |
		sort -u | while read -r id; do word "$id"; done | tr '\n' ' ' | sed 's/ $//')"
	cell "others may read them" "$(others_may "$directory" "$run")"
}

# What a keeper may by its capabilities, if they count on the host.
keeper_rights() {
	if [ "$(readlink "/proc/$1/ns/user")" != "$(readlink /proc/self/ns/user)" ]; then
		echo none
	elif grep -q '^NoNewPrivs:.1' "/proc/$1/status" && grep -q '^CapBnd:.0000003fffffffff\|^CapBnd:.000001ffffffffff' "/proc/$1/status"; then
		echo all
	else
		echo few
	fi
}

others_may() {
	local directory
	for directory in "$@"; do
		[ "$(stat -c %a "$directory")" = 700 ] || { echo yes; return; }
	done
	echo no
}

fill_groups() {
	if [ "$(detail_of .CgroupName)" = null ] || [ -z "$(detail_of .CgroupName)" ]; then
		cell "control group" none
	else
		cell "control group" "its own"
	fi
	cell "limit of processes, if none is asked for" "$(detail_of '.Spec.linux.resources.pids.limit // "none"')"
}

# What takes a container of its own each.
fill_others() {
	cell "terminal, inside" "$(engine_run --rm -t "$THE_IMAGE" stat -c %u:%g /dev/pts/0 | tr -d '\r')"
	cell "device node made inside (CAP_MKNOD)" "$(yes_or_no engine_run --rm --cap-add MKNOD "$THE_IMAGE" mknod /tmp/node c 1 3)"
	cell "file system mounted inside (CAP_SYS_ADMIN)" "$(yes_or_no engine_run --rm --cap-add SYS_ADMIN "$THE_IMAGE" mount -t tmpfs none /srv)"
	cell "sysctl of the network (--sysctl net.)" "$(yes_or_no engine_run --rm --sysctl net.ipv4.ip_default_ttl=99 "$THE_IMAGE" grep -qx 99 /proc/sys/net/ipv4/ip_default_ttl)"
	cell "sysctl of IPC (--sysctl kernel.msgmax)" "$(yes_or_no engine_run --rm --sysctl kernel.msgmax=9000 "$THE_IMAGE" grep -qx 9000 /proc/sys/kernel/msgmax)"
	cell "network of another container (--network container:)" "$(yes_or_no engine_run --rm --network container:web "$THE_IMAGE" true)"
	cell "ids of another container (--userns container:)" "$(yes_or_no engine run --rm --userns container:web "$THE_IMAGE" true)"
	cell "processes of another container (--pid container:)" "$(yes_or_no engine_run --rm --pid container:web "$THE_IMAGE" grep -q sleep /proc/1/cmdline)"
	cell "processes of another container, signalled" "$(yes_or_no engine_run --rm --pid container:web "$THE_IMAGE" kill -0 1)"
	cell "network of the host (--network host)" "$(yes_or_no engine_run --rm --network host "$THE_IMAGE" true)"
	cell "port below 1024 of its own network" "$(yes_or_no engine_run --rm "$THE_IMAGE" httpd -p 127.0.0.1:$PORT)"
	cell "port below 1024 of the host's" "$(yes_or_no engine_run --rm --network host "$THE_IMAGE" httpd -p 127.0.0.1:$PORT)"
	cell "idmapped volume (:idmap)" "$(yes_or_no engine_run --rm -v "$E2E_STATE/data:/data:idmap" "$THE_IMAGE" true)"
	cell "limit (--memory)" "$(yes_or_no engine_run --rm --memory 64m "$THE_IMAGE" true)"
}

fill() {
	local id
	THE_IMAGE=dir:$E2E_STATE/image
	cp -a "$BATS_FILE_TMPDIR/root" "$E2E_STATE/image"
	touch "$E2E_STATE/image"/{own,other}
	case $COLUMN in
	root | host) ;;
	*) chown -R "$USER_ID:$USER_ID" "$E2E_STATE/image" ;;
	esac
	chown 1000:1000 "$E2E_STATE/image/other"
	install -d -o "$USER_ID" -g "$USER_ID" "$E2E_STATE/data"
	mkdir -m 755 "$E2E_STATE/rootdata"
	id=$(engine_run -d --name web -v "$E2E_STATE/data:/data" -v "$E2E_STATE/rootdata:/rootdata" "$THE_IMAGE" sh -c "$INSIDE_SCRIPT" 2>/dev/null)
	[ "$COLUMN" != root ] || FIRST=$(stat -c %u "/proc/$(detail_of .State.Pid)")
	fill_inside
	fill_files
	fill_keeper "$1/containers/$id" "$2/containers/$id"
	fill_groups
	fill_others
}

# compare COLUMN NUMBER
compare() {
	table_of_man | cut -d'|' -f"1,$1" | sort >"$E2E_STATE/wanted"
	sort "$E2E_STATE/cells" >"$E2E_STATE/found"
	[ -s "$E2E_STATE/wanted" ] && diff -u "$E2E_STATE/wanted" "$E2E_STATE/found"
}

@test "root: who owns what" {
	COLUMN=root
	export INSULA_ROOT=$E2E_STATE/lib INSULA_RUNROOT=$E2E_STATE/run
	fill "$INSULA_ROOT" "$INSULA_RUNROOT"
	compare 2
}

@test "root with the host's ids: who owns what" {
	COLUMN=host
	export INSULA_ROOT=$E2E_STATE/lib INSULA_RUNROOT=$E2E_STATE/run
	fill "$INSULA_ROOT" "$INSULA_RUNROOT"
	compare 3
}

@test "a user with a range: who owns what" {
	COLUMN=range
	with_range
	fill "$HOME_DIR/.local/share/insula" "$RUNTIME/insula"
	compare 4
}

@test "a user alone: who owns what" {
	COLUMN=alone
	fill "$HOME_DIR/.local/share/insula" "$RUNTIME/insula"
	compare 5
}

@test "a user in a batch job, with a control group: who owns what" {
	COLUMN=group
	RUNTIME=
	with_groups
	fill "$HOME_DIR/.local/share/insula" "/tmp/insula-run-$USER_ID"
	compare 6
}

@test "the guide has the table of the manual page" {
	diff -u <(table_of_man) <(table_of_guide)
	[ "$(table_of_man | wc -l)" -ge 30 ]
}
