# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# For the files about containerd: load engines, then this.

IMAGE=docker.io/library/box:latest

containerd_conf() {
	cat <<-CONF
		version = 2
		root = "$ENGINE_DIR/lib"
		state = "$ENGINE_DIR/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs",
			"io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
			"io.containerd.snapshotter.v1.zfs"]
		[grpc]
		address = "$ENGINE_DIR/sock"
	CONF
}

# The image that the tests start from.
containerd_image() {
	oci_archive "$ENGINE_DIR/oci.tar" "$IMAGE"
	ctr images import "$ENGINE_DIR/oci.tar" >/dev/null
}

# containerd puts a container's group below one of its namespace's name.
ctr() {
	inside ctr --address "$ENGINE_DIR/sock" --namespace "$ENGINE_GROUP" "$@"
}

task() {
	ctr tasks ls | awk -v id="$1" '$1 == id { print $3 }'
}

stopped() {
	[ "$(task "$1")" = STOPPED ]
}

pid_of() {
	ctr tasks ls | awk -v id="$1" '$1 == id { print $2 }'
}

remove_all() {
	local id
	for id in $(ctr tasks ls -q); do
		ctr tasks kill --signal KILL "$id"
		eventually 20 stopped "$id"
		ctr tasks delete --force "$id" || true # it tells the status as its own
	done 2>/dev/null
	for id in $(ctr containers ls -q); do ctr containers rm "$id"; done
}
