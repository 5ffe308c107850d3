#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# buildah, whose RUN steps are containers of insula-runtime.

# shellcheck disable=SC2154  # stderr is set by run --separate-stderr

load engines

setup_file() {
	engine_has buildah || return 0
	engine_up
	podman_conf >"$ENGINE_DIR/containers.conf"
	mkdir -p "$ENGINE_DIR/context"
	cp "$ENGINE_DIR/box.tar" "$ENGINE_DIR/context/"
	printf 'FROM scratch\nADD box.tar /\nENV PATH=/bin:/sbin\n' >"$ENGINE_DIR/context/Containerfile"
	build -t box >/dev/null 2>&1
	buildah from --name warm localhost/box >/dev/null
	step warm true # what is made once for all containers
	remove_all >/dev/null
	engine_ready
}

teardown_file() { engine_down; }
setup() { heed_skip_file; }
teardown() { engine_clean remove_all; }

remove_all() {
	buildah rm --all
}

buildah() {
	inside env CONTAINERS_CONF="$ENGINE_DIR/containers.conf" BUILDAH_ISOLATION=oci BUILDAH_RUNTIME="$ENGINE_RUNTIME" \
		buildah --root "$ENGINE_DIR/lib" --runroot "$ENGINE_DIR/run" --storage-driver overlay "$@"
}

# build OPTION...: in the context directory.
build() {
	buildah build --isolation oci --runtime "$ENGINE_RUNTIME" --network none --cgroup-parent "/$ENGINE_GROUP" \
		"$@" "$ENGINE_DIR/context"
}

# step COMMAND...: one in a working container.
step() {
	buildah run --isolation oci --runtime "$ENGINE_RUNTIME" --network none "$@"
}

@test "build: RUN steps, as root and as a user" {
	cat >"$ENGINE_DIR/context/Containerfile" <<-'END'
		FROM localhost/box
		RUN echo built >/made && id -u >/who
		USER user
		WORKDIR /srv
		RUN id -u >/tmp/who && pwd >>/tmp/who
		CMD ["cat", "/made"]
	END
	ok build -t made
	ok buildah from --name made localhost/made
	ok step --user 0 made cat /made /who /tmp/who
	shows $'built\n0\n1000\n/srv'
}

@test "build: a step that fails ends the build with its status" {
	printf 'FROM localhost/box\nRUN exit 5\n' >"$ENGINE_DIR/context/Containerfile"
	exits 5 build -t never || exits 125 build -t never
	[[ $stderr == *'status 5'* ]] || fail "the status"
	printf 'FROM localhost/box\nRUN ["no-such-command"]\n' >"$ENGINE_DIR/context/Containerfile"
	exits 1 build -t never || exits 127 build -t never || exits 125 build -t never
	[[ $stderr == *no-such-command* ]] || fail "the command is named"
}

@test "build: mounts and limits of a step" {
	cat >"$ENGINE_DIR/context/Containerfile" <<-'END'
		FROM localhost/box
		RUN --mount=type=tmpfs,target=/scratch grep -c ' /scratch ' /proc/mounts >/count
		RUN --mount=type=bind,target=/context ls /context >/list
	END
	ok build --memory 64m --ulimit nofile=1048576:1048576 -t mounted
	ok buildah from --name mounted localhost/mounted
	ok step mounted cat /count /list
	shows $'1\nContainerfile\nbox.tar'
}

@test "run: output, exit status, user, directory, environment" {
	ok buildah from --name work localhost/box
	ok step work sh -c 'echo out; echo err >&2'
	shows out
	exits 7 step work sh -c 'exit 7'
	ok step --user 5:6 --workingdir /srv --env A=b work sh -c 'id -u; id -g; pwd; echo $A'
	shows $'5\n6\n/srv\nb'
	ok step --cap-drop CAP_CHOWN work grep CapEff /proc/self/status
	ok step work grep Seccomp: /proc/self/status
	shows $'Seccomp:\t2'
}

@test "run --terminal: a terminal" {
	local command
	ok buildah from --name work localhost/box
	mapfile -t command < <(words step --terminal work sh)
	exits 9 at_terminal --size 33x101 --expect '# ' --send 'tty; until stty size | grep 33.101; do sleep 0.1; done\r' --expect '33 101' \
		--send 'exit 9\r' -- "${command[@]}"
	contains /dev/pts/0
}

@test "run: a volume, and a user namespace with a map" {
	mkdir -p "$ENGINE_DIR/shared"
	echo given >"$ENGINE_DIR/shared/file"
	ok buildah from --name work localhost/box
	ok step -v "$ENGINE_DIR/shared:/data:ro" work cat /data/file
	shows given
	ok buildah from --name mapped --userns-uid-map 0:100000:65536 --userns-gid-map 0:100000:65536 localhost/box
	ok step mapped cat /proc/self/uid_map
	[ "$(tr -s ' ' <<<"$output")" = ' 0 100000 65536' ] || fail "its map"
}
