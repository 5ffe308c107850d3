# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# For the files about insula-runtime: load helpers, then this.
#
# Each test has a state directory and a bundle of its own. Groups have the test's name in them, so that
# what is left can be told. After it every container is deleted, and nothing may be left.

runtime() {
	"$INSULA_BIN/insula-runtime" --root "$OCI_ROOT" "$@"
}

oci_setup() {
	e2e_setup
	UNIQUE=$(basename "$E2E_STATE" | tr . -)
	OCI_ROOT=$E2E_STATE/oci
	BUNDLE=$E2E_STATE/bundle
	OUT=$E2E_STATE/out
	export UNIQUE OCI_ROOT BUNDLE OUT
	mkdir -p "$BUNDLE"
	cp -a "$E2E_ROOT" "$BUNDLE/rootfs"
	: >"$OUT"
}

oci_teardown() {
	local id left
	[ -n "${E2E_STATE:-}" ] || return 0
	for id in $(runtime list -q); do
		runtime delete --force "$id" || true
	done
	left=$(
		find /sys/fs/cgroup -maxdepth 4 -type d -name "*$UNIQUE*" | sed 's/^/group: /'
		find "$OCI_ROOT" -mindepth 1 2>/dev/null | sed 's/^/file: /'
		grep -h -F "$BUNDLE" /proc/self/mountinfo | sed 's/^/mount: /'
	)
	# A test's own mount namespace took the pin along, and left the file.
	grep -q -F " $INSULA_RUNROOT/pad " /proc/self/mountinfo || rm -f "$INSULA_RUNROOT/pad"
	[ -z "$left" ] || echo "left behind: $left"
	e2e_teardown && [ -z "$left" ]
}

setup() { oci_setup; }
teardown() { oci_teardown; }

# bundle FILTER: a config.json, the default one without a terminal, changed by jq.
bundle() {
	"$INSULA_BIN/insula-runtime" spec --output - | jq --arg group "/insula-$UNIQUE-one" "
		.process.terminal = false | .root.readonly = false | .linux.cgroupsPath = \$group
		| $1" >"$BUNDLE/config.json"
}

# create ID OPTION...: a container in the background, in a group of its own; its output is in $OUT.
create() {
	local id=$1
	shift
	jq --arg group "/insula-$UNIQUE-$id" '.linux.cgroupsPath = $group' "$BUNDLE/config.json" >"$BUNDLE/$id.json"
	runtime create --bundle "$BUNDLE" --config "$BUNDLE/$id.json" "$@" "$id" >"$OUT" 2>"$OUT.err" </dev/null 3>&- ||
		fail "create: $(cat "$OUT.err")"
}

# refused_by CODE TEXT COMMAND...: it ends with that code and an error that has the text, and leaves the
# list of containers and the host's groups as they were.
refused_by() {
	local code=$1 text=$2 before
	shift 2
	before=$(oci_state)
	exits "$code" "$@" || return
	# shellcheck disable=SC2154  # set by exits
	[[ $stderr == *"$text"* ]] || fail "expected in the error: $text" || return
	[[ $stderr != *$'\e'* ]] || fail "the error has an escape sequence" || return
	local end=$((SECONDS + ${OCI_SETTLES:-0})) # a service manager removes its groups in its own time
	while [ "$(oci_state)" != "$before" ]; do
		[ $SECONDS -lt $end ] || fail "something was made or lost: $(oci_state)" || return
		sleep 0.1
	done
}

oci_state() {
	runtime list -q
	find /sys/fs/cgroup -maxdepth 4 -type d -name "*$UNIQUE*" | sort
}

# receive_fd SOCKET: be an engine: take a terminal, type "hello" and print what it shows.
receive_fd() {
	python3 - "$1" <<-'PYTHON'
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		directory = os.open(os.path.dirname(sys.argv[1]), os.O_RDONLY)
		s.bind("/proc/self/fd/%d/%s" % (directory, os.path.basename(sys.argv[1])))
		s.listen(1)
		s.settimeout(20)
		peer, _ = s.accept()
		message, ancillary, _, _ = peer.recvmsg(1000, socket.CMSG_SPACE(4))
		fd = array.array("i", ancillary[0][2])[0]
		assert message == b"/dev/ptmx", message
		os.write(fd, b"hello\n")
		while True:
		    try:
		        data = os.read(fd, 1000)
		    except OSError:
		        break
		    if not data:
		        break
		    os.write(1, data)
	PYTHON
}

# receive_pidfd SOCKET: take a pidfd and print whose it is.
receive_pidfd() {
	python3 - "$1" <<-'PYTHON'
		import array, re, socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
		s.bind(sys.argv[1])
		s.listen(1)
		s.settimeout(20)
		peer, _ = s.accept()
		_, ancillary, _, _ = peer.recvmsg(1000, socket.CMSG_SPACE(4))
		fd = array.array("i", ancillary[0][2])[0]
		print(re.search(r"Pid:\s*(\d+)", open("/proc/self/fdinfo/%d" % fd).read()).group(1))
	PYTHON
}

# fds_from_3 FILE... -- COMMAND...: run it with those files as descriptors 3, 4, ..., and no others.
fds_from_3() {
	python3 - "$@" <<-'PYTHON'
		import os, sys
		args = sys.argv[1:]
		split = args.index("--")
		for number, name in enumerate(args[:split]):
		    fd = os.open(name, os.O_RDONLY)
		    os.dup2(fd, 100 + number)
		    os.close(fd)
		os.closerange(3, 100)
		for number in range(split):
		    os.dup2(100 + number, 3 + number, inheritable=True)
		os.closerange(3 + split, 256)
		os.execvp(args[split + 1], args[split + 1:])
	PYTHON
}
