#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Listing containers: filters, templates, order, sizes.

load helpers

setup() {
	e2e_setup
	insula run --name old --label team=red --network none "$E2E_IMAGE" sh -c 'exit 3' || true
	insula run -d --name web --label team=blue --label tier=front --network none \
		-v "$BATS_TEST_TMPDIR:/data" "$E2E_IMAGE" sleep 300 >/dev/null
	insula run -d --name host --label team=blue --network host "$E2E_IMAGE" sleep 300 >/dev/null
}

# names ARGUMENT...: of what ps lists with these, in its order.
names() {
	insula ps --format '{{.Names}}' "$@" | tr '\n' ' '
}

lists() {
	local wanted=$1
	shift
	[ "$(names "$@")" = "$wanted" ] || fail "wanted '$wanted', got '$(names "$@")' of: $*"
}

@test "filters by everything that is said of a container" {
	lists "host web "
	lists "host web old " -a
	lists "web " -f name=we
	lists "web " -f "id=$(field web id | head -c 12)"
	lists "host web " -f label=team=blue
	lists "web " -f label=team=blue -f label=tier
	lists "" -f label=tier=back
	lists "old " -f status=exited
	lists "host web " -f status=running
	lists "host web old " -f status=running -f status=exited
	lists "old " -f exited=3
	lists "" -f exited=0
	lists "host web old " -a -f "ancestor=$E2E_IMAGE"
	lists "" -a -f ancestor=host
	lists "web old " -a -f before=host
	lists "host " -a -f since=web
	lists "web " -a -f since=old -f before=host
	lists "" -a -f until=1h
	lists "host web old " -a -f until=+1h
	lists "host " -f network=host
	lists "web " -f network=none
	lists "web " -f volume=/data
	lists "web " -f "volume=$BATS_TEST_TMPDIR"
	lists "web " -f name=web -f status=running
	lists "host web " -f health=none
}

@test "a name is matched as a part, or from its beginning, to its end" {
	insula create --name web-2 "$E2E_IMAGE" true >/dev/null
	insula create --name my.web "$E2E_IMAGE" true >/dev/null
	lists "my.web web-2 web " -a -f name=web
	lists "web-2 web " -a -f name=^web
	lists "web-2 web " -a -f name=^/web
	lists "my.web web " -a -f 'name=web$'
	lists "web " -a -f 'name=^web$'
	lists "" -a -f 'name=^eb$'
	lists "" -a -f 'name=^website$'
	lists "my.web web-2 host web old " -a -f 'name=$'
	refused 125 "no container's name has '*' in it" insula ps -f 'name=we*'
	refused 125 "no container's name has '|' in it" insula ps -f 'name=web|old'
}

@test "the newest, the last ones, and in another order" {
	lists "host " --latest
	lists "host web " --last 2
	lists "host web old " -n 9
	lists "host old web " -a --sort name
	ok insula exec web dd if=/dev/zero of=/srv/big bs=1M count=3
	[ "$(names -a --size --sort size | cut -d' ' -f1)" = web ]
}

@test "templates and tables" {
	ok insula ps -a --format '{{.ID}}|{{.Image}}|{{.Command}}|{{.State}}|{{.ExitCode}}|{{index .Labels "team"}}' -f name=old
	[[ $output == "$(field old id | head -c 12)|$E2E_IMAGE|sh -c exit 3|exited|3|red" ]] || fail
	ok insula ps -a --no-trunc --format '{{.ID}}' -f name=old
	shows "$(field old id)"
	ok insula ps --format 'table {{.Names}}\t{{.State}}'
	shows "NAMES  STATE
host   running
web    running"
	ok insula ps --format '{{json .Labels}}' -f name=web
	shows '["team=blue","tier=front"]'
	ok insula ps --size
	contains SIZE
	ok insula ps -q -f name=web
	[ "${#output}" -eq 12 ]
	ok insula ps --format json --size -f name=web
	[ "$(jq '.[0].size >= 0' <<<"$output")" = true ]
	ok insula ps
	ok insula ps --format table
	contains "CONTAINER ID"
}

@test "what cannot be listed is one clear error" {
	refused 125 "there is no 'colour=red' to filter by" insula ps -f colour=red
	refused 125 "no container ever is 'asleep'" insula ps -f status=asleep
	refused 125 "exit code" insula ps -f exited=999
	refused 125 "no container's health is 'bad'" insula ps -f health=bad
	refused 125 "there is no network 'bridge'" insula ps -f network=bridge
	refused 125 "no container 'nosuch'" insula ps -f before=nosuch
	refused 125 "neither a time nor a duration" insula ps -f until=whenever
	refused 125 "wants name=VALUE" insula ps -f name=
	refused 125 "there is no field 'Colour'" insula ps --format '{{.Colour}}'
	refused 125 "not a format" insula ps --format csv
	refused 125 "exclude each other" insula ps --latest --last 3
	refused 125 "exclude each other" insula ps -q --format json
	refused 125 "--sort size wants --size" insula ps --sort size
}

@test "inspect takes templates, too" {
	ok insula inspect -f '{{.Name}} {{.State.Status}} {{.Config.Labels.team}} {{json .Config.Cmd}}' web old
	shows 'web running blue ["sleep","300"]
old exited red ["sh","-c","exit 3"]'
	refused 125 "there is no field 'Colour'" insula inspect -f '{{.Colour}}' web
	refused 125 "not a format" insula inspect -f table web
	refused 125 "there is no field 'State.Sttus'" insula inspect -f '{{.State.Sttus}}' web
	refused 125 "there is no field 'HostConfig.Memry'" insula inspect -f '{{json .HostConfig.Memry}}' web
	refused 125 "'Mounts.Source', as that is a list" insula inspect -f '{{.Mounts.Source}}' web
	refused 125 "there is no field 'Name.First'" insula inspect -f '{{.Name.First}}' web
	insula create --name made "$E2E_IMAGE" true >/dev/null
	# What it has only at times, and names that are others'.
	ok insula inspect -f '[{{.State.Health.Status}}{{.State.Reason}}{{.Config.Labels.nope}}{{.IdMap.HostId}}]' made
	shows '[]'
}
