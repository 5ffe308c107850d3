#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# What container root tries in containers of insula-runtime, in a user namespace and, as engines have it, as host
# root: covers by every road, terminals, our programs, and places that are exchanged while we work. Escapes are
# aimed at canaries.

# shellcheck disable=SC2154  # status, output and stderr are set by run
# shellcheck disable=SC2016  # expanded by the shell inside
# shellcheck disable=SC2030,SC2031  # output is set by run

load helpers
load oci

setup_file() {
	file_setup
	static_program "$E2E_DIR/escape.c" "$E2E_ROOT/bin/escape"
	static_program "$E2E_DIR/swapper.c" "$E2E_ROOT/bin/swapper"
	touch "$E2E_ROOT/this-root-is-for-escape-tests"
}

setup() {
	oci_setup
	CANARY=$BATS_TEST_TMPDIR/canary
	mkdir "$CANARY"
	printf 'untouched:x:4711:4711::/:/bin/sh\n' >"$CANARY/file"
	CANARY_BEFORE=$(canary)
	SWAPPERS=()
}

teardown() {
	stop_swapping
	[ "$(canary)" = "$CANARY_BEFORE" ] || {
		echo "the canary was touched: $(canary)"
		return 1
	}
	oci_teardown
}

canary() {
	find "$CANARY" -printf '%p %y %m %s %T@ %u\n' | sort
	cat "$CANARY/file"
	grep -F "$CANARY" /proc/self/mountinfo || true
}

# Engines' default capabilities, and all that matter here. No filter: what holds, holds against that.
DEFAULT='["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD","CAP_NET_RAW","CAP_SETGID","CAP_SETUID",
	"CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE","CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"]'
ALL="($DEFAULT + [\"CAP_SYS_ADMIN\",\"CAP_DAC_READ_SEARCH\",\"CAP_SYS_PTRACE\",\"CAP_SYS_TTY_CONFIG\",\"CAP_NET_ADMIN\"])"
USERNS='.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 300000, size: 65536}]
	| .linux.gidMappings = .linux.uidMappings'

# attacker CAPABILITIES FILTER: the bundle's configuration.
attacker() {
	bundle ".process.noNewPrivileges = false | del(.linux.seccomp) | .process.env = [\"PATH=/bin\"]
		| $1 as \$caps | .process.capabilities = {bounding: \$caps, effective: \$caps, permitted: \$caps} | $2"
}

# ---- covers ----

# Files and directories that are masked, in procfs, sysfs and the root file system, and what is read-only.
MASKED='/proc/interrupts /sys/firmware /hidden/file /hidden-too'
READONLY='/proc/sysrq-trigger'

hide_some() {
	mkdir "$BUNDLE/rootfs/hidden" "$BUNDLE/rootfs/hidden-too"
	echo secret | tee "$BUNDLE/rootfs/hidden/file" >"$BUNDLE/rootfs/hidden-too/file"
}

# held CAPABILITIES FILTER: all roads of the first process, then, beside another first process, of a further one.
held() {
	hide_some
	local hide='.linux.maskedPaths += ["/hidden/file", "/hidden-too"]'
	attacker "$1" "$hide | $2 | .process.args = [\"sh\", \"-c\", \"escape masked $MASKED; escape readonly $READONLY\"]"
	ok runtime run --bundle "$BUNDLE" one
	shows 'nothing uncovered
nothing written'
	# Its root directory is its own to rearrange: the next one has the covers where it finds their places.
	rm -rf "$BUNDLE/rootfs"
	cp -a "$E2E_ROOT" "$BUNDLE/rootfs"
	hide_some
	attacker "$1" "$hide | $2 | .process.args = [\"sleep\", \"600\"]"
	create two
	ok runtime start two
	ok runtime exec two sh -c "escape masked /proc/interrupts /hidden-too; escape readonly $READONLY"
	shows 'nothing uncovered
nothing written'
	ok runtime delete --force two
}

@test "oci attack: covers hold against root of a user namespace with every capability, by every road" {
	held "$ALL" "$USERNS"
}

@test "oci attack: covers hold against host root with engines' capabilities, by every road" {
	held "$DEFAULT" .
}

# What insula-security(7) says of it, so that it is known when that changes; and the roads lead somewhere.
@test "oci attack: host root with CAP_SYS_ADMIN lifts covers, and whoever owns a directory moves it for the next start" {
	hide_some
	attacker "$ALL" '.process.args = ["escape", "masked", "/proc/interrupts"]'
	exits 1 runtime run --bundle "$BUNDLE" one
	contains 'uncovered /proc/interrupts by a bind here'
	lacks 'by a fresh proc of processes'
	attacker "$DEFAULT" '.linux.maskedPaths += ["/hidden/file"] | .process.args = ["sh", "-c", "mv /hidden /moved; cat /moved/file"]'
	ok runtime run --bundle "$BUNDLE" one
	shows ''
	bundle '.linux.maskedPaths += ["/hidden/file"] | .process.args = ["cat", "/moved/file"]'
	ok runtime run --bundle "$BUNDLE" one
	shows secret
}

# ---- terminals ----

# typed COMMAND...: run it on a terminal; then what waits there to be read, as if it had been typed.
typed() {
	run "$E2E_DIR/pty" -- sh -c '"$@"; echo "ended with $?"; stty -icanon -echo min 0 time 1
		echo "typed:$(dd bs=100 count=1 2>/dev/null | od -An -c | tr -d " \n")."' sh "$@"
	[[ $output == *'3 terminals tried'* && $output == *'typed:.'* ]] || fail "$*"
}

# Into a terminal of its own a container may push what it likes: nobody else reads it.
@test "oci attack: nothing can be pushed into the caller's terminal, inherited or relayed" {
	local caps=$DEFAULT mode how
	local -a runtime=("$INSULA_BIN/insula-runtime" --root "$OCI_ROOT")
	for mode in . "$USERNS"; do
		[ "$mode" = . ] || caps=$ALL
		for how in false true; do
			attacker "$caps" "$mode | .process.terminal = $how | .process.args = [\"escape\", \"terminal\"]"
			typed "${runtime[@]}" run --bundle "$BUNDLE" one
			[ $how = true ] || [[ $output == *'ended with 0'* ]] || fail "inherited"
		done
		attacker "$caps" "$mode | .process.args = [\"sleep\", \"600\"]"
		create two
		ok runtime start two
		typed "${runtime[@]}" exec two escape terminal
		[[ $output == *'ended with 0'* ]] || fail "inherited"
		[ "$mode" = . ] || typed "${runtime[@]}" exec -t two escape terminal
		ok runtime delete --force two
	done
	# and that it would be seen
	attacker "$DEFAULT" '.process.args = ["true"]'
	run "$E2E_DIR/pty" -- "$E2E_ROOT/bin/escape" terminal
	contains 'TIOCSTI works on what was inherited'
}

# ---- our programs ----

@test "oci attack: /proc/self/exe as the command of create, run and exec is a copy that nobody can write" {
	local before
	before=$(find "$INSULA_BIN" -maxdepth 1 -type f -exec sha256sum {} + | sort)
	cat >"$BUNDLE/rootfs/bin/overwrite" <<-'SH'
		#!/bin/sh
		while :; do
			for pid in /proc/[0-9]*; do
				[ "$(readlink $pid/exe)" != /bin/busybox ] || continue
				echo x 2>/dev/null >$pid/exe && echo "wrote $pid"
				echo x 2>/dev/null >>$pid/exe && echo "appended to $pid"
			done
		done
	SH
	chmod 755 "$BUNDLE/rootfs/bin/overwrite"
	# shares its processes with those that come
	attacker "$ALL" '.process.args = ["/bin/overwrite"]'
	create one
	ok runtime start one
	attacker "$ALL" '.process.args = ["/proc/self/exe", "--version"]
		| (.linux.namespaces[] | select(.type == "pid")).path = "/proc/'"$(runtime state one | jq .pid)"'/ns/pid"'
	for _ in 1 2 3; do
		runtime run --bundle "$BUNDLE" two >/dev/null 2>&1 </dev/null || true
		runtime create --bundle "$BUNDLE" two >/dev/null 2>&1 </dev/null 3>&- && runtime start two >/dev/null 2>&1 || true
		runtime delete --force two >/dev/null 2>&1 || true
		runtime exec one /proc/self/exe --version >/dev/null 2>&1 </dev/null || true
	done
	[ ! -s "$OUT" ] || fail "$(cat "$OUT")"
	[ "$(find "$INSULA_BIN" -maxdepth 1 -type f -exec sha256sum {} + | sort)" = "$before" ] || fail "a program of ours was changed"
	ok runtime delete --force one
}

@test "oci attack: no program of ours has a loader or a name service, and an image's are not asked" {
	local program place
	for program in insula insula-keeper insula-init insula-runtime; do
		run readelf -lW "$INSULA_BIN/$program"
		[ "$status" -eq 0 ] || fail
		lacks INTERP
		! nm "$INSULA_BIN/$program" 2>/dev/null |
			grep -E ' [TtWw] (_*nss_|getpw|getgr[gne]|getgrouplist|getaddrinfo|gethostby|getnameinfo|initgroups|iconv_open)' ||
			fail "$program calls what may load a library"
	done
	for place in lib/x86_64-linux-gnu lib64 lib usr/lib; do
		mkdir -p "$BUNDLE/rootfs/$place"
		for program in ld-linux-x86-64.so.2 libc.so.6 libnss_evil.so.2 libnss_files.so.2 evil.so; do
			printf '#!/bin/sh\ntouch /poisoned\n' >"$BUNDLE/rootfs/$place/$program"
			chmod 755 "$BUNDLE/rootfs/$place/$program"
		done
	done
	echo /lib64/evil.so >"$BUNDLE/rootfs/etc/ld.so.preload"
	printf 'passwd: evil\ngroup: evil\nhosts: evil\n' >"$BUNDLE/rootfs/etc/nsswitch.conf"
	mkdir -p "$BUNDLE/rootfs/usr/lib/x86_64-linux-gnu/gconv"
	echo 'module INTERNAL UTF-8// /lib64/evil 1' >"$BUNDLE/rootfs/usr/lib/x86_64-linux-gnu/gconv/gconv-modules"
	attacker "$DEFAULT" '.process.args = ["sleep", "600"]
		| .process.env += ["LD_PRELOAD=/lib64/evil.so", "LD_LIBRARY_PATH=/lib64", "LC_ALL=evil", "GCONV_PATH=/lib64"]'
	create one
	ok runtime start one
	ok runtime exec --env LD_PRELOAD=/lib64/evil.so -u 1000 one ls /
	lacks poisoned
	ok insula run --rm --init -e LD_PRELOAD=/lib64/evil.so -u user "dir:$BUNDLE/rootfs" ls /
	lacks poisoned
	[ ! -e "$BUNDLE/rootfs/poisoned" ] || fail "something of the image's was run"
	ok runtime delete --force one
}

# ---- places that are exchanged ----

# swaps PLACE TARGET...: from now on each of these places of the image is, half of the time, a link to the target.
swaps() {
	local -a pairs=()
	while [ $# -gt 1 ]; do
		ln -s "$2" "$BUNDLE/rootfs$1.link"
		pairs+=("$BUNDLE/rootfs$1" "$BUNDLE/rootfs$1.link")
		shift 2
	done
	nice "$E2E_ROOT/bin/swapper" "${pairs[@]}" 3>&- &
	SWAPPERS+=($!)
}

stop_swapping() {
	local swapper
	for swapper in "${SWAPPERS[@]}"; do
		kill "$swapper"
		wait "$swapper" 2>/dev/null || true
	done
	SWAPPERS=()
}

# A link at /proc or /sys is refused, so those are exchanged alone: otherwise next to nothing would start.
@test "oci attack: targets of every kind that are exchanged for links while containers start" {
	local i group started=0 r=$BUNDLE/rootfs
	local -a groups=("/d/dir @ /d/file @/file /d/masked @ /d/masked-file @/file /d/readonly @ /d/cwd @"
		'/dev/null @/file /dev/console @/file' '/dev/pts @ /dev/sub @' '/proc @' '/sys @')
	echo planted >"$BATS_TEST_TMPDIR/planted"
	attacker "$ALL" '.mounts |= map(select(.destination | startswith("/dev") | not))
		| .mounts += [{destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"]},
			{destination: "/d/dir/made", type: "tmpfs", source: "tmpfs"},
			{destination: "/d/file", type: "bind", source: "'"$BATS_TEST_TMPDIR/planted"'", options: ["bind"]}]
		| .linux.devices = [{path: "/dev/sub/zero", type: "c", major: 1, minor: 5}]
		| .linux.maskedPaths = ["/d/masked", "/d/masked-file", "/proc/kcore"]
		| .linux.readonlyPaths = ["/d/readonly", "/proc/sys"]
		| .process.cwd = "/d/cwd" | .process.terminal = true | .process.args = ["sh", "-c", "echo x >/dev/null; pwd"]'
	for group in "${groups[@]}"; do
		rm -rf "$r"
		cp -a "$E2E_ROOT" "$r"
		mkdir -p "$r"/{d/dir,d/masked,d/readonly,d/cwd,dev/pts,dev/sub}
		touch "$r"/d/{file,masked-file} "$r/dev/console"
		mknod -m 666 "$r/dev/null" c 1 3
		# shellcheck disable=SC2086  # words
		swaps ${group//@/$CANARY}
		for i in 1 2 3; do
			run timeout 30 "$E2E_DIR/pty" -- "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" run --bundle "$BUNDLE" "box$i"
			[ "$status" -ne 124 ] || fail "$group: hangs"
			[ "$status" -ne 0 ] || started=$((started + 1))
			[ "$(canary)" = "$CANARY_BEFORE" ] || fail "$group: the canary was touched"
		done
		stop_swapping
	done
	[ $started -gt 0 ] || fail "none of them ran: nothing was tried: $output"
	[ -z "$(runtime list -q)" ] || fail "something is left"
}

@test "oci attack: directories and accounts that are exchanged for links while a process enters" {
	local i entered=0
	mkdir -p "$BUNDLE/rootfs/d/cwd"
	attacker "$DEFAULT" '.process.args = ["sleep", "600"]'
	create one
	ok runtime start one
	swaps /d/cwd "$CANARY" /etc/passwd "$CANARY/file" /etc/group "$CANARY/file"
	for i in $(seq 12); do
		run --separate-stderr timeout 20 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec --cwd /d/cwd -u 1000 one sh -c 'pwd; ls'
		[ "$status" -ne 124 ] || fail "hangs"
		[[ $output != *"$CANARY"* && $output != *file* && $output != *unreachable* ]] || fail "it was there"
		[ "$status" -ne 0 ] || entered=$((entered + 1))
		# HOME comes from passwd: the canary's would be /
		run --separate-stderr timeout 20 "$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" exec -u 4711 one sh -c 'echo "$HOME"; id -un'
		[[ $output != *untouched* ]] || fail "accounts of the host"
	done
	[ $entered -gt 0 ] || fail "nobody entered: nothing was tried"
	ok runtime delete --force one
}
