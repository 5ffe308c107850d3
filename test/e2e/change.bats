#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Changing a container that there is: another name, other limits; whoever is killed at it, and many at once.

load helpers

names() {
	find "$INSULA_ROOT/names" -type f -printf '%f\n' | sort | tr '\n' ' '
}

@test "a running container gets another name, and keeps it when it has ended" {
	ok insula run -d --name old --network none "$E2E_IMAGE" sleep 300
	ok insula rename old new
	[ "$(field new status)" = running ]
	[ "$(detail new .Name)" = new ]
	[ "$(names)" = "new " ]
	refused 125 "no container 'old'" insula stop old
	ok insula events --no-stream -f event=rename --format '{{.Name}} {{index .Attributes "old_name"}}'
	shows "new old"
	ok insula stop -t 0 new
	[ "$(field new status)" = exited ]
	ok insula run -d --name old --network none "$E2E_IMAGE" sleep 300
	ok insula rm -f old new
	[ "$(names)" = "" ]
}

@test "with --rm the new name is freed at the end" {
	ok insula run -d --rm --name old --network none "$E2E_IMAGE" sleep 300
	ok insula rename old new
	ok insula stop -t 0 new
	eventually 10 sh -c "[ -z \"\$(ls $INSULA_ROOT/names)\" ]"
	ok insula events --no-stream -f event=remove --format '{{.Name}}'
	shows new
}

@test "a rename that cannot be is one clear error" {
	ok insula run -d --name one --network none "$E2E_IMAGE" sleep 300
	ok insula run -d --name two --network none "$E2E_IMAGE" sleep 300
	refused 125 "the name 'two' is in use" insula rename one two
	refused 125 "is the name that it has" insula rename one one
	refused 125 "is not a container name" insula rename one ../x
	refused 125 "no container 'three'" insula rename three four
	refused 125 "an argument is missing" insula rename one
	[ "$(names)" = "one two " ]
}

@test "killed at any moment of a rename, it has one name, and the next command goes on" {
	for point in rename.journal rename.claimed record.hidden record.written rename.recorded; do
		ok insula run -d --name old --network none "$E2E_IMAGE" sleep 300
		INSULA_FAIL=$point=kill run insula rename old new
		[ "$status" -eq 137 ] || fail "$point was not reached"
		ok insula ps --format json
		name=$(jq -r '.[0].name' <<<"$output")
		[ "$name" = old ] || [ "$name" = new ] || fail "$point: $output"
		[ "$(detail "$name" .State.Status)" = running ]
		ok insula rename "$name" third
		[ "$(names)" = "third " ] || fail "$point: $(names)"
		INSULA_FAIL=$point=kill run insula rename third fourth
		[ "$status" -eq 137 ]
		ok insula rm -f --all
		[ "$(names)" = "" ] || fail "$point: $(names)"
	done
}

@test "an error at any moment of a rename changes nothing" {
	ok insula run -d --name old --network none "$E2E_IMAGE" sleep 300
	for point in rename.journal rename.claimed record.hidden; do
		INSULA_FAIL=$point=error:ENOSPC exits 125 insula rename old new
		[ "$(names)" = "old " ] || fail "$point: $(names)"
		[ "$(field old status)" = running ]
	done
	ok insula rename old new
}

@test "twenty that rename the same container leave it one name" {
	ok insula run -d --name old --network none "$E2E_IMAGE" sleep 300
	id=$(field old id)
	for i in $(seq 20); do
		"$INSULA_BIN/insula" rename "$id" "name$i" >/dev/null 2>&1 3>&- &
	done
	wait
	[ "$(names)" = "$(detail "$id" .Name) " ] || fail "$(names)"
	[ "$(field "$id" name)" = "$(detail "$id" .Name)" ]
}

# ---- limits ----

limits() {
	insula inspect "$1" | jq -c '.[0].Spec.linux.resources | del(.devices)'
}

@test "limits change at once, and are recorded" {
	ok insula run -d --name web --network none --memory 64m --pids-limit 50 "$E2E_IMAGE" sleep 300
	ok insula update --memory 48m --pids-limit 77 --cpu-shares 512 web
	shows web
	[ "$(group_value web memory/memory.limit_in_bytes memory.max)" = 50331648 ]
	[ "$(group_value web pids/pids.max pids.max)" = 77 ]
	[ "$(detail web .Spec.linux.resources.memory.limit)" = 50331648 ]
	[ "$(detail web .Spec.linux.resources.memory.swap)" = 50331648 ]
	[ "$(detail web .Spec.linux.resources.pids.limit)" = 77 ]
	[ "$(detail web .Spec.linux.resources.cpu.shares)" = 512 ]
	ok insula exec web true
	ok insula update --memory -1 --pids-limit -1 web
	[ "$(group_value web pids/pids.max pids.max)" = max ]
	[ "$(detail web .Spec.linux.resources.memory.limit)" = -1 ]
	ok insula update --pids-limit 60 web
	ok insula update --pids-limit 0 web
	[ "$(group_value web pids/pids.max pids.max)" = max ]
	ok insula events --no-stream -f event=update -f container=web
	[ "$(wc -l <<<"$output")" -eq 4 ]
}

@test "--cpus is a quota and as many CPUs, and none of both with 0" {
	all=$(nproc)
	[ "$all" -ge 2 ] || skip "there is one CPU only"
	ok insula run -d --name web --network none "$E2E_IMAGE" sleep 300
	ok insula update --cpus 1 web
	ok insula exec web nproc
	shows 1
	[ "$(detail web .Spec.linux.resources.cpu.quota)" = 100000 ]
	ok insula update --cpus 0 web
	ok insula exec web nproc
	shows "$all"
	[ "$(detail web .Spec.linux.resources.cpu.quota)" = -1 ]
	ok insula update --cpu-period 50000 --cpu-quota 25000 web
	[[ "$(group_value web cpu,cpuacct/cpu.cfs_quota_us cpu/cpu.cfs_quota_us cpu.max)" == 25000* ]]
}

@test "of one that has ended the next start has them" {
	ok insula run --name web --network none --memory 64m "$E2E_IMAGE" true
	ok insula update --memory 48m web
	[ "$(detail web .Spec.linux.resources.memory.limit)" = 50331648 ]
	[ "$(field web status)" = exited ]
}

@test "what is no limit is one clear error and changes nothing" {
	ok insula run -d --name web --network none --memory 64m "$E2E_IMAGE" sleep 300
	before=$(limits web)
	refused 125 "no limit is given" insula update web
	refused 125 "is too little" insula update --memory 1m web
	refused 125 "would be above --memory" insula update --memory-reservation 128m web
	refused 125 "memory and swap together" insula update --memory-swap 32m web
	refused 125 "is not within" insula update --cpuset-cpus 900 web
	refused 125 "more than the" insula update --cpus 4096 web
	refused 125 "--cpus excludes" insula update --cpus 1 --cpu-quota 5000 web
	refused 125 "least" insula update --cpu-quota 5 web
	refused 125 "not DEVICE:BYTES" insula update --device-read-bps 5 web
	refused 125 "is no limit" insula update --memory 0 web
	refused 125 "no container 'nosuch'" insula update --memory 48m nosuch
	[ "$(limits web)" = "$before" ]
	[ "$(group_value web memory/memory.limit_in_bytes memory.max)" = 67108864 ]
}

@test "what the kernel refuses leaves everything as it was" {
	[ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ] || skip "only cgroup v1 refuses a limit below the use"
	ok insula run -d --name web --network none --memory 256m --tmpfs /big:size=200m "$E2E_IMAGE" \
		sh -c 'dd if=/dev/zero of=/big/x bs=1M count=100 2>/dev/null; touch /ready; sleep 300'
	eventually 20 insula exec web test -e /ready
	before=$(limits web)
	refused 125 "memory" insula update --pids-limit 33 --memory 16m web
	[ "$(limits web)" = "$before" ]
	[ "$(group_value web pids/pids.max pids.max)" = 2048 ]
	[ "$(group_value web memory/memory.limit_in_bytes)" = 268435456 ]
}

@test "a record that cannot be written takes the limits back" {
	ok insula run -d --name web --network none --memory 64m --pids-limit 50 "$E2E_IMAGE" sleep 300
	shares=$(group_value web cpu/cpu.shares cpu.weight)
	for point in update.applied record.hidden file.written; do
		INSULA_FAIL=$point=error:ENOSPC exits 125 insula update --memory 48m --pids-limit 77 --cpu-shares 77 web
		[ "$(group_value web pids/pids.max pids.max)" = 50 ] || fail "$point"
		[ "$(group_value web cpu/cpu.shares cpu.weight)" = "$shares" ] || fail "$point"
		[ "$(group_value web memory/memory.limit_in_bytes memory.max)" = 67108864 ] || fail "$point"
		[ "$(detail web .Spec.linux.resources.pids.limit)" = 50 ] || fail "$point"
	done
}

@test "killed in an update, the same update again does the rest" {
	for point in update.applied record.hidden record.written; do
		ok insula run -d --name web --network none --pids-limit 50 "$E2E_IMAGE" sleep 300
		INSULA_FAIL=$point=kill run insula update --pids-limit 77 web
		[ "$status" -eq 137 ] || fail "$point was not reached"
		[ "$(field web status)" = running ]
		ok insula update --pids-limit 77 web
		[ "$(detail web .Spec.linux.resources.pids.limit)" = 77 ]
		[ "$(group_value web pids/pids.max pids.max)" = 77 ]
		ok insula rm -f web
	done
}
