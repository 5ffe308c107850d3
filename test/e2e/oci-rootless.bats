#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# insula-runtime for an ordinary user, and for an engine in a user namespace of its own.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr
# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # each test sets its own

load helpers
load oci

USER_ID=54321 # nobody has it

setup() {
	oci_setup
	OCI_ROOT=$E2E_STATE/user/oci
	PROGRAM=$E2E_STATE/insula-runtime
	mkdir -p "$E2E_STATE/user"
	cp "$INSULA_BIN/insula-runtime" "$PROGRAM" # where others may read it
	chmod 755 "$E2E_STATE" "$PROGRAM"
	chown -R $USER_ID:$USER_ID "$E2E_STATE/user" "$BUNDLE"
	export PROGRAM E2E_STATE
}

teardown() {
	as_user delete --force --regex . || true
	rm -rf "$E2E_STATE/user"
	oci_teardown
}

# as_user ARGUMENT...: insula-runtime of somebody without any privilege.
as_user() {
	setpriv --reuid $USER_ID --regid $USER_ID --clear-groups env -u XDG_RUNTIME_DIR \
		"$PROGRAM" --cgroup-manager disabled --root "$OCI_ROOT" --runroot "$E2E_STATE/user/run" "$@"
}

# rootless FILTER: a bundle for that user alone, as `spec --rootless` has it.
rootless() {
	bundle "del(.linux.resources, .linux.cgroupsPath)
		| .linux.namespaces += [{type: \"user\"}]
		| .linux.uidMappings = [{containerID: 0, hostID: $USER_ID, size: 1}]
		| .linux.gidMappings = .linux.uidMappings
		| (.mounts[] | select(.type == \"devpts\").options) |= map(select(startswith(\"gid=\") | not))
		| $1"
	chown $USER_ID "$BUNDLE/config.json"
}

@test "rootless: a container of one's own, with nothing prepared" {
	rootless '.process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map | tr -s \" \"; echo $$; echo x >/dev/null; touch /written; ls / | wc -l"]'
	ok as_user run --bundle "$BUNDLE" one
	[ "${lines[0]}" = 0 ] || fail
	[ "${lines[1]}" = " 0 0 1" ] || [ "${lines[1]}" = " 0 $USER_ID 1" ] || fail
	[ "${lines[2]}" = 1 ] || fail
	[ "$(stat -c %u "$BUNDLE/rootfs/written")" = $USER_ID ]
	[ -z "$(ls "$OCI_ROOT")" ] || fail "left: $(ls "$OCI_ROOT")"
}

@test "rootless: a user namespace that is refused, or gives no right, is said with its remedy" {
	needs_failpoints
	rootless '.process.args = ["true"]'
	local point
	for point in rootless.unshare=error:EACCES rootless.rights=error:EPERM; do
		INSULA_FAIL=$point exits 125 as_user run --bundle "$BUNDLE" one
		[[ $stderr == *"insula-rootless(7)"* ]] || fail
		[ -z "$(ls "$OCI_ROOT" 2>/dev/null)" ] || fail "left: $(ls "$OCI_ROOT")"
	done
}

# Before Linux 6.17 a procfs shows the namespace that its maker was born in.
@test "rootless: a kernel that cannot be told which processes a procfs shows" {
	rootless '.process.args = ["sh", "-c", "cd /proc && echo [0-9]*; read name </proc/1/comm; echo $name"]'
	export INSULA_FAIL=mount.pidns=error:EINVAL
	ok as_user run --bundle "$BUNDLE" one
	[[ ${lines[0]} == 1 || ${lines[0]} == "1 "* ]] || fail
	[ "${lines[1]}" = sh ] || fail
	OCI_ROOT=$E2E_STATE/oci
	bundle '.process.args = ["sh", "-c", "cd /proc && echo [0-9]*; read name </proc/1/comm; echo $name"]'
	ok runtime run --bundle "$BUNDLE" one
	[ "${lines[0]}" = 1 ] || fail
	# Memory is not shared across two time namespaces.
	rootless '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 1000000}}
		| .process.args = ["cat", "/proc/uptime"]'
	OCI_ROOT=$E2E_STATE/user/oci
	ok as_user run --bundle "$BUNDLE" one
	[ "${output%%.*}" -gt 1000000 ] || fail
	OCI_ROOT=$E2E_STATE/oci
	# What such a procfs refuses is said by it.
	bundle '(.mounts[] | select(.type == "proc").options) = ["hidepid=nonsense"]'
	exits 125 runtime run --bundle "$BUNDLE" one
	[[ $stderr == *hidepid* ]] || fail "the option is named"
}

# An option given again counts.
@test "rootless: that there is no control group is said to who has asked for one" {
	rootless '.process.args = ["echo", "here"]'
	ok as_user --cgroup-manager cgroupfs run --bundle "$BUNDLE" one
	[ "$output$stderr" = here ] || fail
	rootless '.process.args = ["echo", "here"] | .linux.cgroupsPath = "/insula-'"$UNIQUE"'-one"'
	ok as_user --cgroup-manager cgroupfs run --bundle "$BUNDLE" one
	[[ $output == here && $stderr == *'runs without a control group of its own'* ]] || fail
}

@test "rootless: its life, verb by verb" {
	rootless '.process.args = ["sh", "-c", "echo begun >/begun; exec sleep 600"]'
	as_user create --bundle "$BUNDLE" --pid-file "$E2E_STATE/user/pid" one >"$OUT" 2>&1 </dev/null 3>&- ||
		fail "$(cat "$OUT")"
	[ "$(as_user state one | jq -r .status)" = created ]
	[ "$(as_user state one | jq -r .pid)" = "$(cat "$E2E_STATE/user/pid")" ]
	[ "$(as_user state one | jq -r .owner)" = "#$USER_ID" ]
	[ ! -e "$BUNDLE/rootfs/begun" ]
	ok as_user start one
	eventually 10 test -e "$BUNDLE/rootfs/begun"
	ok as_user list -q
	shows one
	ok as_user kill one KILL
	eventually 10 sh -c '[ "$(setpriv --reuid '$USER_ID' --regid '$USER_ID' --clear-groups "$PROGRAM" --root "$OCI_ROOT" state one | jq -r .status)" = stopped ]'
	ok as_user delete one
	[ -z "$(as_user list -q)" ]
}

@test "rootless: exec, with pipes and with a terminal" {
	rootless '.process.args = ["sleep", "600"]'
	as_user create --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&- || fail "$(cat "$OUT")"
	ok as_user start one
	ok as_user exec one sh -c 'id -u; echo $$; tr -s " " </proc/self/uid_map; echo $HOME; grep CapBnd /proc/self/status'
	[ "${lines[0]}" = 0 ] || fail
	[ "${lines[3]}" = /root ] || fail
	# a pipe of his own becomes the command's
	ok setpriv --reuid $USER_ID --regid $USER_ID --clear-groups sh -c '"$PROGRAM" --cgroup-manager disabled \
		--root "$OCI_ROOT" exec one sh -c "echo again >/dev/stdout" | cat'
	shows again
	[ "$(as_user exec one readlink /proc/self/ns/user)" = "$(readlink "/proc/$(as_user state one | jq .pid)/ns/user")" ]
	exits 125 as_user exec -u 5 one true
	[[ $stderr == *'5 is not in linux.uidMappings'* ]] || fail
	exits 3 as_user exec one sh -c 'exit 3'
	exits 127 as_user exec one nothing
	receive_fd "$E2E_STATE/user/console" >"$BATS_TEST_TMPDIR/seen" 3>&- &
	local engine=$!
	eventually 10 test -S "$E2E_STATE/user/console"
	chmod 666 "$E2E_STATE/user/console"
	ok as_user exec -d -t --console-socket "$E2E_STATE/user/console" one sh -c 'tty; echo typed $(head -n1)'
	wait $engine
	grep -q 'typed hello' "$BATS_TEST_TMPDIR/seen" || fail "$(cat "$BATS_TEST_TMPDIR/seen")"
	rm "$E2E_STATE/user/console"
	ok as_user delete --force one
}

# What waits for its start has executed nothing: its memory is still ours, and must be closed to others.
@test "rootless: exec into a container that is only created" {
	rootless '.process.args = ["sh", "-c", "echo begun >/begun; exec sleep 600"]'
	as_user create --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&- || fail "$(cat "$OUT")"
	ok as_user exec one sh -c 'id -u; echo $$; for file in exe fd/0 root; do readlink /proc/1/$file || echo closed; done; head -c 1 /proc/1/environ || echo closed; touch /prepared'
	[ "${lines[0]}" = 0 ] && [ "${lines[1]}" != 1 ] || fail
	[ "$(grep -c '^closed$' <<<"$output")" -eq 4 ] || fail "its first process can be looked into"
	[ -e "$BUNDLE/rootfs/prepared" ] && [ ! -e "$BUNDLE/rootfs/begun" ]
	[ "$(as_user state one | jq -r .status)" = created ]
	ok as_user start one
	eventually 10 test -e "$BUNDLE/rootfs/begun"
	ok as_user exec one true
	ok as_user delete --force one
	# Who owns the program is root inside: it runs from a copy that nobody can write.
	chown $USER_ID "$PROGRAM"
	as_user create --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&- || fail "$(cat "$OUT")"
	[[ $(readlink "/proc/$(as_user state one | jq .pid)/exe") == */memfd:* ]] || fail "it is the file"
	[ "$(cat "/proc/$(as_user state one | jq .pid)/comm")" = insula-runtime ]
	ok as_user exec one true
	ok as_user delete --force one
}

@test "rootless: what the second start is told is not taken from others" {
	rootless '.process.args = ["true"] | .hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "env >'"$E2E_STATE"'/user/env"]}]'
	ok as_user run --bundle "$BUNDLE" one
	[ -s "$E2E_STATE/user/env" ] && ! grep INSULA_ENTERED "$E2E_STATE/user/env" || fail
	cp "$BUNDLE/config.json" "$E2E_STATE/user/config.json"
	INSULA_ENTERED=9 exits 125 as_user run --bundle "$BUNDLE" one 9<"$E2E_STATE/user/config.json"
	[[ $stderr == *"INSULA_ENTERED: descriptor 9 is not ours"* ]] || fail
	INSULA_ENTERED=x exits 125 as_user run --bundle "$BUNDLE" one
	[[ $stderr == *"INSULA_ENTERED"* ]] || fail
	[ -z "$(as_user list -q)" ]
}

@test "rootless: a user namespace that is joined by path" {
	local target
	rootless '.process.args = ["sleep", "600"]'
	as_user run -d --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&- || fail "$(cat "$OUT")"
	target=$(as_user state one | jq .pid)
	rootless '(.linux.namespaces[] | select(.type == "user")).path = "/proc/'"$target"'/ns/user"
		| del(.linux.uidMappings, .linux.gidMappings)
		| .process.capabilities = ([.process.capabilities.bounding[], "CAP_SYS_ADMIN"] as $all
			| {bounding: $all, effective: $all, permitted: $all})
		| .process.args = ["sh", "-c", "readlink /proc/self/ns/user; hostname mine && hostname; umount /proc/keys; wc -c </proc/keys; sleep 600"]'
	as_user run -d --bundle "$BUNDLE" two >"$OUT" 2>&1 </dev/null 3>&- || fail "$(cat "$OUT")"
	eventually 10 grep -qx 0 "$OUT"
	grep -qxF "$(readlink "/proc/$target/ns/user")" "$OUT" && grep -qx mine "$OUT" || fail "$(cat "$OUT")"
	[ "$(as_user state two | jq -r .owner)" = "#$USER_ID" ]
	ok as_user exec two readlink /proc/self/ns/user
	shows "$(readlink "/proc/$target/ns/user")"
	ok as_user delete --force two
	ok as_user delete --force one
	# One that nobody has nested has nothing around it that could hold the locks.
	setpriv --reuid $USER_ID --regid $USER_ID --clear-groups unshare --user --map-root-user sleep 600 3>&- &
	target=$!
	eventually 10 sh -c "[ \"\$(readlink /proc/$target/ns/user)\" != \"$(readlink /proc/self/ns/user)\" ]"
	rootless '(.linux.namespaces[] | select(.type == "user")).path = "/proc/'"$target"'/ns/user"
		| del(.linux.uidMappings, .linux.gidMappings) | .process.args = ["true"]'
	exits 125 as_user run --bundle "$BUNDLE" two
	kill $target
	[[ $stderr == *"'/proc/$target/ns/user' is not nested in another user namespace of ours"*hint:* ]] || fail
	[ -z "$(as_user list -q)" ]
}

@test "rootless: kill --all of one that has ended, without a control group" {
	rootless '.process.args = ["sleep", "600"]'
	as_user run -d --bundle "$BUNDLE" one >"$OUT" 2>&1 </dev/null 3>&- || fail "$(cat "$OUT")"
	ok as_user kill --all one 0
	ok as_user kill --all one KILL
	eventually 10 is_stopped
	ok as_user kill --all one 0
	ok as_user kill --all one TERM
	exits 125 as_user kill one 0
	[[ $stderr == *"container not running"* ]] || fail
	ok as_user delete one
}

is_stopped() {
	[ "$(as_user state one | jq -r .status)" = stopped ]
}

# Without a group of its own a container is in its caller's, and sees that.
@test "rootless: the control groups that a container without one of its own sees" {
	local name controller group
	controller=$(sed -n 's/^[0-9]*:\(pids\|memory\):.*/\1/p' /proc/self/cgroup | head -n 1)
	[ -n "$controller" ] || skip "no hierarchy of v1 here"
	group=$(sed -n "s/^[0-9]*:$controller://p" /proc/self/cgroup)
	for name in . 'map(select(.type != "cgroup"))'; do
		rootless ".linux.namespaces |= ($name)
			| .process.args = [\"sh\", \"-c\", \"cd /sys/fs/cgroup/$controller && cat notify_on_release && stat -f -c %T . && mkdir made\"]"
		run --separate-stderr as_user --cgroup-manager cgroupfs run --bundle "$BUNDLE" one
		[ "${lines[0]}" = "$(cat "/sys/fs/cgroup/$controller$group/notify_on_release")" ] || fail "$name"
		[ "$status" -ne 0 ] && [ ! -e "/sys/fs/cgroup/$controller$group/made" ] || fail "$name: it could make a group"
	done
}

@test "rootless: covers cannot be lifted" {
	rootless '.process.capabilities = ([.process.capabilities.bounding[], "CAP_SYS_ADMIN"] as $all
			| {bounding: $all, effective: $all, permitted: $all})
		| .process.args = ["sh", "-c", "umount /proc/keys; umount -l /proc/keys; wc -c </proc/keys; mount -o remount,rw,bind /proc/sys && echo remounted"]'
	run as_user run --bundle "$BUNDLE" one
	[[ $output == *$'\n0\n'* ]] || fail # it is still covered
	lacks remounted
}

@test "rootless: hooks run where the user is" {
	rootless ".hooks.createRuntime = [{path: \"/bin/sh\", args: [\"sh\", \"-c\", \"readlink /proc/self/ns/net; id -u; cat\"]}]
		| .hooks.createRuntime[0].args[2] += \" >$E2E_STATE/user/hook\"
		| .hooks.createRuntime[0].args[2] = \"(\" + .hooks.createRuntime[0].args[2] + \"); (readlink /proc/self/ns/net >$E2E_STATE/user/net)\"
		| .process.args = [\"true\"]"
	ok as_user run --bundle "$BUNDLE" one
	[ "$(cat "$E2E_STATE/user/net")" = "$(readlink /proc/self/ns/net)" ] || fail "$(cat "$E2E_STATE/user/net")"
	[ "$(jq -r .status "$E2E_STATE/user/hook")" = created ]
	rootless '.hooks.createRuntime = [{path: "/bin/sh", args: ["sh", "-c", "echo no >&2; exit 9"]}]'
	exits 125 as_user run --bundle "$BUNDLE" one
	[[ $stderr == *"(createRuntime[0]): exited with 9: no"* ]] || fail
	[ -z "$(as_user list -q)" ]
}

@test "rootless: what an ordinary user may not is said" {
	rootless '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)'
	exits 125 as_user run --bundle "$BUNDLE" one
	[[ $stderr == *"needs a user namespace of its own"*"spec --rootless"* ]] || fail
	rootless '.linux.uidMappings = [{containerID: 0, hostID: 0, size: 1}]'
	exits 125 as_user run --bundle "$BUNDLE" one
	[[ $stderr == *"newuidmap"* ]] || fail
	rootless ".linux.uidMappings = [{containerID: 0, hostID: $((USER_ID - 1)), size: 10}]"
	exits 125 as_user run --bundle "$BUNDLE" one
	[[ $stderr == *"linux.uidMappings[0]: has our own id $USER_ID and others"* ]] || fail
	rootless '.process.user.additionalGids = [0]'
	exits 125 as_user run --bundle "$BUNDLE" one
	[[ $stderr == *"supplementary groups"* ]] || fail
	[ -z "$(as_user list -q)" ]
}

@test "rootless: ids of /etc/subuid, by newuidmap" {
	command -v newuidmap >/dev/null || fail "newuidmap is not installed"
	echo "$USER_ID:700000:65536" >"$E2E_STATE/subids"
	echo "insula-e2e:x:$USER_ID:$USER_ID::/:/bin/false" | cat /etc/passwd - >"$E2E_STATE/passwd"
	chmod 644 "$E2E_STATE/subids" "$E2E_STATE/passwd"
	rootless '.linux.uidMappings += [{containerID: 1, hostID: 700000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings
		| .process.user = {uid: 1000, gid: 1000, additionalGids: [10]}
		| .process.args = ["sh", "-c", "id -u; id -G; touch /tmp/mine"]'
	run unshare --mount --propagation private sh -c '
		mount --bind "$E2E_STATE/subids" /etc/subuid
		mount --bind "$E2E_STATE/subids" /etc/subgid
		mount --bind "$E2E_STATE/passwd" /etc/passwd
		exec setpriv --reuid '$USER_ID' --regid '$USER_ID' --clear-groups \
			"$PROGRAM" --cgroup-manager disabled --root "$OCI_ROOT" --runroot "$E2E_STATE/user/run" \
			run --bundle "$BUNDLE" one'
	[ "$output" = "1000
1000 10" ] || fail
	[ "$(stat -c %u "$BUNDLE/rootfs/tmp/mine")" = 700999 ]
}

@test "rootless: under an engine that has made a user namespace" {
	rootless '.linux.namespaces |= map(select(.type != "user")) | del(.linux.uidMappings, .linux.gidMappings)
		| .process.args = ["sh", "-c", "id -u; cat /proc/self/uid_map | tr -s \" \""]'
	run setpriv --reuid $USER_ID --regid $USER_ID --clear-groups \
		unshare --user --map-root-user --mount "$PROGRAM" --cgroup-manager disabled --root "$OCI_ROOT" --runroot "$E2E_STATE/user/run" \
		run --bundle "$BUNDLE" one
	[ "$output" = "0
 0 $USER_ID 1" ] || fail
}

# in_userns COMMAND...: as root of a user namespace with a range of ids, as engines without root make one.
in_userns() {
	python3 - "$@" <<-'PYTHON'
		import ctypes, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		ready, go = os.pipe(), os.pipe()
		pid = os.fork()
		if pid == 0:
		    assert libc.unshare(0x10000000 | 0x00020000) == 0 # CLONE_NEWUSER, CLONE_NEWNS
		    os.write(ready[1], b"x")
		    os.read(go[0], 1)
		    os.setgroups([])
		    os.setresgid(0, 0, 0)
		    os.setresuid(0, 0, 0)
		    os.execvp(sys.argv[1], sys.argv[1:])
		os.read(ready[0], 1)
		for name in "uid_map", "gid_map":
		    with open("/proc/%d/%s" % (pid, name), "w") as f:
		        f.write("0 700000 65536")
		os.write(go[1], b"x")
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	PYTHON
}

# The user namespace of a pod of that engine, and what else is joined in it.
@test "rootless: in a user namespace, joining another one: the process is ours to wait for" {
	local nested=$E2E_STATE/nested/script kinds
	chmod 755 "$E2E_STATE" "$BUNDLE"
	mkdir "$E2E_STATE/nested" && chown 700000:700000 "$E2E_STATE/nested"
	chown -R 700000:700000 "$BUNDLE/rootfs"
	cat >"$nested" <<-'EOF'
		unshare --user --pid --fork --kill-child sleep 60 >/dev/null 3>&- &
		until pod=$(tr -d " " </proc/$!/task/$!/children) && [ -n "$pod" ]; do sleep 0.1; done
		for map in uid_map gid_map; do echo 0 1000 10000 >/proc/$!/$map; done
		namespaces=
		for kind in $KINDS; do
			namespaces="$namespaces{\"type\": \"$kind\", \"path\": \"/proc/$pod/ns/${kind}\"},"
		done
		jq ".linux.namespaces += [${namespaces%,}]" "$BUNDLE/config.json" >"$E2E_STATE/nested/config.json"
		"$PROGRAM" --cgroup-manager disabled --root "$E2E_STATE/nested/oci" --runroot "$E2E_STATE/nested/run" \
			run --bundle "$BUNDLE" --config "$E2E_STATE/nested/config.json" one >"$E2E_STATE/nested/out" &
		until [ -s "$E2E_STATE/nested/out" ] || ! kill -0 $!; do sleep 0.1; done
		cat "$E2E_STATE/nested/out"
		echo "children: $(wc -w </proc/$!/task/$!/children)"
		touch "$BUNDLE/rootfs/go"
		wait $!
		echo "code $?"
		ls -A "$E2E_STATE/nested/oci"
		kill -9 "$pod" # the first process of its namespace hears nothing else
		wait
	EOF
	export E2E_STATE PROGRAM BUNDLE
	for kinds in user "user pid"; do
		export KINDS=$kinds
		rootless '(env.KINDS | split(" ")) as $joined
			| .linux.namespaces |= map(select(.type as $type | $joined | index($type) | not))
			| del(.linux.uidMappings, .linux.gidMappings)
			| .process.args = ["sh", "-c", "tr -s \" \" </proc/self/uid_map; until [ -e /go ]; do sleep 0.1; done; exit 7"]'
		rm -f "$BUNDLE/rootfs/go" "$E2E_STATE/nested/out"
		ok in_userns sh "$nested"
		[ "$output" = " 0 1000 10000
children: 1
code 7" ] || fail "$kinds"
	done
}

@test "rootless: a state directory of somebody else's is refused" {
	rootless '.process.args = ["true"]'
	mkdir -m 777 "$E2E_STATE/shared"
	OCI_ROOT=$E2E_STATE/shared
	exits 125 as_user run --bundle "$BUNDLE" one
	[[ $stderr == *"is not ours alone"* ]] || fail
	OCI_ROOT=$E2E_STATE/user/oci
}
