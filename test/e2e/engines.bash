# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The frame of the files engine-*.bats: other people's engines, as the distribution has them, that run
# their containers by insula-runtime.
#
#	load engines
#	setup_file() { engine_up podman conmon; ...; engine_ready; }
#	teardown_file() { engine_down; }
#	remove_all() { ...; }		# whatever this engine knows of
#	teardown() { engine_clean remove_all; }
#
# A file has a sandbox of its own: mount, pid and network namespaces, private /run, /dev/shm and
# /var/lib of engines, and directories below $ENGINE_DIR. So no engine of the host is seen or touched,
# and whatever a failed test leaves ends with the sandbox's process 1. Control groups are the host's, all
# of them below $ENGINE_GROUP.
#
# After each test the engine removes its containers, and then the sandbox must be what it was when
# engine_ready took stock: processes, mounts, control groups, files of the runtime. The test fails if not.
#
# With engine_up_here instead, nothing is between the engine and the host: for the guest, whose service manager
# is part of what is tested (test/guest/engine-*.bats). Two of these files run at a time, and each counts only what
# can be its own.
#
# ENGINE_RUNTIME is the runtime under test. With ENGINE_RUNTIME=/usr/sbin/runc the same tests tell whether
# a failure is ours or the engine's.

load "$(dirname "${BASH_SOURCE[0]}")/helpers" # also for files of another directory

: "${ENGINE_RUNTIME:=$INSULA_BIN/insula-runtime}"
export ENGINE_RUNTIME

# storm SHORT LONG: the times of a kill storm; the long one takes up to half a minute:
# INSULA_FULL=1 ./check engine-podman
storm() {
	if [ -n "${INSULA_FULL:-}" ]; then seq "$2"; else seq "$1"; fi
}

# ---- the sandbox ----

# engine_has PROGRAM...: the engine consists of these; without one of them the file is skipped.
engine_has() {
	local program
	for program; do
		type -P "$program" >/dev/null || {
			skip_file "there is no $program here; 'tools/deps engines' installs it"
			return 1
		}
	done
}

# The sandbox, the smallest image as box.tar and as a directory, and nothing yet of the engine.
engine_up() {
	engine_directory
	unshare --mount --pid --net --ipc --fork --kill-child --propagation private \
		"$INSULA_BIN/insula-init" -- sh -euc "$(sandbox_script)" sandbox "$ENGINE_DIR" \
		>"$ENGINE_DIR/sandbox.log" 2>&1 </dev/null 3>&- 4>&- &
	ENGINE_HOLDER=$!
	eventually 10 [ -e "$ENGINE_DIR/ready" ] || { cat "$ENGINE_DIR/sandbox.log"; return 1; }
	ENGINE_PID=$(pgrep -P "$ENGINE_HOLDER")
	export ENGINE_DIR ENGINE_GROUP ENGINE_HOLDER ENGINE_PID
}

engine_directory() {
	needs_root
	ENGINE_DIR=$(mktemp -d /tmp/insula-engine.XXXXXX)
	chmod 755 "$ENGINE_DIR"
	ENGINE_GROUP=insula-engine-${ENGINE_DIR##*.}
	busybox_root "$ENGINE_DIR/box"
	tar -C "$ENGINE_DIR/box" -cf "$ENGINE_DIR/box.tar" .
}

# engine_up_here MARK GROUPS STATE: what is in the names of its containers' groups and units, where those groups
# are, and where the runtime keeps the containers. engine_units may be replaced by whoever has another manager.
engine_up_here() {
	engine_directory
	ENGINE_HERE=yes ENGINE_MARK=${1:-$ENGINE_GROUP} ENGINE_GROUPS=/sys/fs/cgroup/$2 ENGINE_STATE=$3
	export ENGINE_DIR ENGINE_GROUP ENGINE_HERE ENGINE_MARK ENGINE_GROUPS ENGINE_STATE
	(
		flock 8
		mkdir -p /run/insula-engines
		: >"/run/insula-engines/$ENGINE_GROUP"
	) 8>/run/lock/insula-engines
}

engine_units() {
	systemctl list-units --all --plain --no-legend "$@"
}

# What process 1 of the sandbox does. Its root is shared, as systemd makes it, with nobody but itself. The
# accounts are copies, for a test that adds to them.
sandbox_script() {
	cat <<-'SCRIPT'
		mount --make-rshared /
		mount -t proc proc /proc
		ip link set lo up
		for path in /run /dev/shm /var/lib/containers /var/lib/containerd /var/lib/docker; do
			[ ! -d "$path" ] || mount -t tmpfs -o mode=755 none "$path"
		done
		chmod 1777 /dev/shm
		mkdir /run/lock
		for file in passwd group subuid subgid; do
			: >"$1/$file"
			[ ! -e "/etc/$file" ] || cp "/etc/$file" "$1/$file"
			[ ! -e "/etc/$file" ] || mount --bind "$1/$file" "/etc/$file"
		done
		: >"$1/ready"
		exec sleep infinity
	SCRIPT
}

# inside COMMAND...: run it in the sandbox, in the directory of the engine; nothing that a test waits for
# takes longer than two minutes.
inside() {
	in_sandbox timeout --foreground 120 "$@"
}

in_sandbox() {
	if [ -n "${ENGINE_HERE:-}" ]; then
		env --chdir="$ENGINE_DIR" -- "$@"
	else
		nsenter --target "$ENGINE_PID" --mount --pid --net --ipc --wdns="$ENGINE_DIR" -- "$@"
	fi
}

# daemon NAME COMMAND...: the same in the background; what it says is in $ENGINE_DIR/NAME.log.
daemon() {
	in_sandbox "${@:2}" >"$ENGINE_DIR/$1.log" 2>&1 </dev/null 3>&- 4>&- &
}

engine_down() {
	[ -n "${ENGINE_DIR:-}" ] || return 0
	[ -z "${ENGINE_HERE:-}" ] || { engine_down_here; return $?; } # bats calls from a trap, where "return" means what was before
	kill -KILL "$ENGINE_PID" 2>/dev/null || true
	eventually 10 not [ -e "/proc/$ENGINE_PID" ]
	find /sys/fs/cgroup -depth -type d -path "*/$ENGINE_GROUP*" -exec rmdir {} + 2>/dev/null
	rm -rf "${ENGINE_DIR:?}"
}

engine_down_here() {
	local path
	cut -d' ' -f5 /proc/self/mountinfo | grep -F "$ENGINE_DIR/" | sort -r | while read -r path; do umount "$path"; done
	rm -rf "${ENGINE_DIR:?}"
	(
		flock 8
		rm "/run/insula-engines/$ENGINE_GROUP"
		rmdir /run/insula-engines 2>/dev/null || exit 0
		forget_default_state
	) 8>/run/lock/insula-engines
}

# An engine knows nothing of INSULA_RUNROOT, so the launch pad and the locks, which stay by design, are where a
# user has them; as is podman's lock. The last file that used them takes them away; never a container that is left.
forget_default_state() {
	while mountpoint -q /run/insula/pad; do umount /run/insula/pad || break; done
	rm -f /run/insula/pad /run/insula/*.lock /dev/shm/libpod_lock /dev/shm/libpod_rootless_lock_*
	rmdir /run/insula/oci /run/insula 2>/dev/null || true
}

not() {
	! "$@"
}

# ---- what is left ----

# One line for each thing in the sandbox that a container could have left. Podman's own, which come and
# go as it likes: the mount of its store on itself, groups for its monitors (conmon) and pods (bare ids).
engine_stock() {
	[ -z "${ENGINE_HERE:-}" ] || { engine_stock_here; return $?; }
	engine_processes
	cut -d' ' -f5,9- "/proc/$ENGINE_PID/mountinfo" | grep -v "^$ENGINE_DIR/[a-z]*/overlay " | sed 's/^/mount: /'
	find /sys/fs/cgroup -type d -path "*/$ENGINE_GROUP/*" ! -name conmon 2>/dev/null |
		grep -v -E '/[0-9a-f]{64}$' | sed 's/^/cgroup: /'
	inside find /run/insula /run/runc /run/crun /run/netns -mindepth 1 ! -path /run/insula/stage 2>/dev/null |
		sed 's/^/file: /'
}

# The same where other tests run beside: what has this engine's directory, or is of its containers. A unit counts
# as long as the service manager knows it.
engine_stock_here() {
	local pid
	{
		grep -l -a -F -f <(echo "$ENGINE_DIR") /proc/[0-9]*/cmdline
		find "$ENGINE_GROUPS" -path "*$ENGINE_MARK*" -name cgroup.procs -exec cat {} + | sed 's|.*|/proc/&/cmdline|'
	} 2>/dev/null | cut -d/ -f3 | sort -u | while read -r pid; do
		tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep . | grep -v -e 'podman pause $' -e '^grep ' -e '^comm ' -e 'containerd --config'
	done | sed 's/^/process: /'
	cut -d' ' -f5,9- /proc/self/mountinfo | grep -F "$ENGINE_DIR" | grep -v "^$ENGINE_DIR/[a-z]*/overlay " | sed 's/^/mount: /'
	find "$ENGINE_GROUPS" -type d -path "*$ENGINE_MARK*" 2>/dev/null | sed 's/^/cgroup: /'
	engine_units "*$ENGINE_MARK*" | cut -d' ' -f1 | sed 's/^/unit: /'
	find "$ENGINE_STATE" -mindepth 1 2>/dev/null | sed 's/^/file: /'
}

# All of them but those that look; and the engine's own, which come and go.
engine_processes() {
	inside ps -e -o pid= -o args= | grep -v -e ' ps -e -o pid= -o args=' -e 'podman pause$' |
		sed 's/^/process: /'
}

engine_ready() {
	engine_stock | sort >"$ENGINE_DIR/stock"
}

engine_left() {
	engine_stock | sort | comm -13 "$ENGINE_DIR/stock" -
}

# engine_clean COMMAND...: it removes every container; then nothing may be left.
engine_clean() {
	local end left
	[ -n "${ENGINE_DIR:-}" ] || return 0
	"$@" >/dev/null || echo "cannot remove every container: $*"
	end=$((SECONDS + 8))
	while left=$(engine_left) && [ -n "$left" ] && [ $SECONDS -lt $end ]; do sleep 0.1; done
	[ -z "$left" ] || { echo "left behind:"; echo "$left"; return 1; }
}

# What an engine forgets of a container whose monitor was killed, the runtime still knows.
forget_all() {
	local id
	for id in $(inside "$ENGINE_RUNTIME" list --quiet); do
		inside "$ENGINE_RUNTIME" delete --force "$id"
	done
}

# group_file CONTAINER-GROUP FILE...: the first of these files of a control group, wherever the
# controller is: group_file libpod-$id memory.max memory/memory.limit_in_bytes
group_file() {
	local group=$1 file base path
	shift
	for file; do
		for base in /sys/fs/cgroup /sys/fs/cgroup/unified; do
			case $file in
			*/*) path=$base/${file%%/*}/$ENGINE_GROUP/$group/${file#*/} ;;
			*) path=$base/$ENGINE_GROUP/$group/$file ;;
			esac
			if [ -e "$path" ]; then
				cat "$path"
				return
			fi
		done
	done
	echo "no such file of the group $group"
	return 1
}

# ---- podman, as root and as a user ----

# guide_block HEADING LANGUAGE: the block below a heading of docs/guide/engines.md, with the runtime under
# test in the place of the installed one.
guide_block() {
	awk -v heading="## $1" -v fence="\`\`\`$2" '
		$0 == heading { found = 1 }
		/^```$/ && inside { exit }
		inside { print }
		found && $0 == fence { inside = 1 }
	' "$E2E_DIR/../../docs/guide/engines.md" | sed "s|/usr/local/bin/insula-runtime|$ENGINE_RUNTIME|" |
		grep . || { echo "the guide has no $2 below $1" >&2; return 1; }
}

# What the guide says, and what keeps podman in the sandbox.
podman_conf() {
	guide_block Podman toml
	cat <<-CONF
		[containers]
		log_driver = "k8s-file"
	CONF
}

# podman_state CONTAINER FIELD
podman_state() {
	podman inspect --format "{{.State.$2}}" "$1"
}

# An engine may set the size a moment after the command has begun: ask until it is right.
at_terminal() {
	"$E2E_DIR/pty" --timeout 60 "$@"
}

# words COMMAND...: what a function that ends in nsenter would execute, a word a line, for a program that
# is to start it.
words() {
	# shellcheck disable=SC2317  # reached from the function that is called
	nsenter() {
		local word
		for word in nsenter "$@"; do echo "$word"; done
	}
	"$@"
	unset -f nsenter
}

# ---- images ----

# oci_archive OUTPUT NAME: the smallest image as an OCI archive, as 'ctr images import' and others take.
oci_archive() {
	local work=$ENGINE_DIR/oci layer config manifest
	mkdir -p "$work/blobs/sha256"
	layer=$(add_blob "$ENGINE_DIR/box.tar")
	config=$(jq -n -c --arg layer "sha256:${layer% *}" '{architecture: "amd64", os: "linux",
		config: {Env: ["PATH=/usr/bin:/bin:/sbin"], Cmd: ["sh"]},
		rootfs: {type: "layers", diff_ids: [$layer]}}' | add_blob)
	manifest=$(jq -n -c --argjson config "$(descriptor image.config.v1+json "$config")" \
		--argjson layer "$(descriptor image.layer.v1.tar "$layer")" '{schemaVersion: 2,
		mediaType: "application/vnd.oci.image.manifest.v1+json", config: $config,
		layers: [$layer]}' | add_blob)
	jq -n -c --argjson manifest "$(descriptor image.manifest.v1+json "$manifest")" --arg name "$2" \
		'{schemaVersion: 2, manifests: [$manifest + {platform: {os: "linux", architecture: "amd64"},
		annotations: {"io.containerd.image.name": $name}}]}' >"$work/index.json"
	echo '{"imageLayoutVersion": "1.0.0"}' >"$work/oci-layout"
	tar -C "$work" -cf "$1" oci-layout index.json blobs
}

# add_blob [FILE]: into the layout above, by its digest; prints 'DIGEST SIZE'.
add_blob() {
	local digest
	cat ${1:+"$1"} >"$ENGINE_DIR/oci/blob"
	digest=$(sha256sum "$ENGINE_DIR/oci/blob" | cut -d' ' -f1)
	mv "$ENGINE_DIR/oci/blob" "$ENGINE_DIR/oci/blobs/sha256/$digest"
	echo "$digest $(stat -c %s "$ENGINE_DIR/oci/blobs/sha256/$digest")"
}

# descriptor KIND 'DIGEST SIZE'
descriptor() {
	jq -n -c --arg type "application/vnd.oci.$1" --arg digest "sha256:${2% *}" \
		--argjson size "${2#* }" '{mediaType: $type, digest: $digest, size: $size}'
}
