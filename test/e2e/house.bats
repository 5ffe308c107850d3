#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The tools that judge everything else: each is shown something bad, and has to say so.

setup() {
	tools=$BATS_TEST_DIRNAME/../../tools
	cd "$BATS_TEST_TMPDIR" || return
	mkdir taps
	for layer in base runtime engine image storage cli; do
		mkdir -p "src/$layer"
		seq 20 >"src/$layer/README.md"
	done
}

# source PATH LINE...: a C file with everything that the linter asks for, and then these lines.
source_file() {
	local path=$1
	shift
	printf '%s\n' '/* SPDX-License-Identifier: LGPL-2.1-or-later */' '/*' ' * Planted.' ' */' "$@" >"$path"
}

# stream NAME STATUS LINE...: what a test program wrote, and how it ended.
stream() {
	local name=$1 status=$2
	shift 2
	printf '%s\n' "$@" >"taps/$name.tap"
	echo "$status" >"taps/$name.status"
}

@test "lint-layers: an include that points upwards is found at its line" {
	source_file src/base/a.c '#include "engine/store.h"'
	run "$tools/lint-layers" src
	[ "$status" -eq 1 ]
	[ "$output" = 'src/base/a.c:5: "engine/store.h": base may not use engine' ]
}

@test "lint-layers: siblings, unknown layers and bare names are refused, downward is fine" {
	source_file src/image/a.c '#include "storage/s.h"'
	source_file src/cli/b.c '#include "vendor/v.h"'
	source_file src/cli/c.c '#include "verbs.h"'
	source_file src/engine/d.c '#include "base/err.h"' '#include "image/i.h"' '#include <stdio.h>'
	run "$tools/lint-layers" src
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ $output == *'src/image/a.c:5: "storage/s.h": image may not use storage'* ]]
	[[ $output == *'src/cli/b.c:5: "vendor/v.h": there is no layer vendor'* ]]
	[[ $output == *'src/cli/c.c:5: "verbs.h": write it as'* ]]
}

@test "lint-layers: a layer with code and without a README is named" {
	source_file src/base/a.c
	rm src/base/README.md
	run "$tools/lint-layers" src
	[ "$status" -eq 1 ]
	[ "$output" = "src/base/README.md:1: a layer has a README" ]
}

@test "lint-source: a link that leads nowhere" {
	printf '%s\n' 'See [this](there.md#part), [that](https://example.org/) and' '[it](gone.md).' >a.md
	touch there.md
	run "$tools/lint-source" a.md
	[ "$status" -eq 1 ]
	[ "$output" = "a.md:2: the link to gone.md leads nowhere" ]
}

@test "lint-source: a clean file says nothing" {
	source_file src/engine/a.c 'int f(void)' '{' '	return 0; /* like mount(2), syscall(2) */' '}'
	run "$tools/lint-source" src/engine/a.c
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "lint-source: licence line, head comment and leftover markers" {
	echo 'int x;' >src/engine/a.c
	printf '%s\n' '/* SPDX-License-Identifier: LGPL-2.1-or-later */' 'int x;' >src/engine/b.c
	source_file src/engine/c.c "/* TO""DO: later */"
	run "$tools/lint-source" src/engine/a.c src/engine/b.c src/engine/c.c
	[ "$status" -eq 1 ]
	[[ $output == *"src/engine/a.c:1: the first lines lack"* ]]
	[[ $output == *"src/engine/b.c:2: a module opens with a comment"* ]]
	[[ $output == *"src/engine/c.c:5: 'TO""DO' left in the text"* ]]
}

@test "lint-source: raw calls outside their place" {
	source_file src/engine/a.c '	mount("a", "b", 0, 0, 0);' '	syscall(SYS_getpid);'
	source_file src/base/b.c '	syscall(SYS_openat2, 1);' '	setns(fd, 0);'
	run "$tools/lint-source" src/engine/a.c src/base/b.c
	[ "$status" -eq 1 ]
	[[ $output == *"src/engine/a.c:5: mount() belongs into kernel/"* ]]
	[[ $output == *"src/engine/a.c:6: syscall() belongs into"* ]]
	[[ $output == *"src/base/b.c:5: openat2 belongs into base/path.c"* ]]
	[[ $output == *"src/base/b.c:6: setns() belongs into kernel/"* ]]
	[ "${#lines[@]}" -eq 4 ]
}

@test "lint-source: habits that the house does not have" {
	source_file src/engine/a.c '	goto out;' '	strcpy(a, b);' '	own_fd int fd;' \
		'	own(str) struct str s;' '	fd = open("a",' '		O_RDONLY);' '	n = atoi(text);'
	run "$tools/lint-source" src/engine/a.c
	[ "$status" -eq 1 ]
	[[ $output == *"src/engine/a.c:5: goto has no place here"* ]]
	[[ $output == *"src/engine/a.c:6: an unbounded string function"* ]]
	[[ $output == *"src/engine/a.c:7: a variable that cleans up"* ]]
	[[ $output == *"src/engine/a.c:8: a variable that cleans up"* ]]
	[[ $output == *"src/engine/a.c:9: open() without close-on-exec"* ]]
	[[ $output == *"src/engine/a.c:11: a number parser"* ]]
	[ "${#lines[@]}" -eq 6 ]
}

@test "lint-source: the same things done right say nothing" {
	source_file src/engine/a.c '	own_fd int fd = -1;' '	own(str) struct str s = STR_INIT(1);' \
		'	fd = open("a",' '		O_RDONLY | O_CLOEXEC);' '	/* Not CLOEXEC: inherited. */' \
		'	fd = open("b", 0);' '	x->open("c", 0);' '	puts("goto strcpy(");'
	run "$tools/lint-source" src/engine/a.c
	[ -z "$output" ]
	[ "$status" -eq 0 ]
}

@test "lint-source: a skip where bats does not know it" {
	printf '%s\n' '#!/usr/bin/env bats' '# SPDX-License-Identifier: LGPL-2.1-or-later' 'setup_file() {' \
		'	[ -e /a ] || skip "no a"' '}' 'setup() {' '	skip "b"' '}' >a.bats
	run "$tools/lint-source" a.bats
	[ "$status" -eq 1 ]
	[ "$output" = "a.bats:4: skip in setup_file is a failure to bats 1.8: use skip_file" ]
}

@test "lint-source: long functions are warned about, very long ones and long files refused" {
	body() { for _ in $(seq "$1"); do echo '	f();'; done; }
	source_file src/engine/a.c 'int f(void)' '{' "$(body 70)" '}'
	run "$tools/lint-source" src/engine/a.c
	[ "$status" -eq 0 ]
	[[ $output == "src/engine/a.c:6: warning: a function of 70 lines"* ]]
	source_file src/engine/a.c 'int f(void)' '{' "$(body 101)" '}'
	run "$tools/lint-source" src/engine/a.c
	[ "$status" -eq 1 ]
	source_file src/engine/a.c "$(body 897)"
	run "$tools/lint-source" src/engine/a.c
	[ "$status" -eq 1 ]
	[[ $output == "src/engine/a.c:900: 901 lines: make it two files" ]]
}

@test "tap-report: counts, names failures with their notes, lists skips with their reasons" {
	stream good 0 '1..3' 'ok 1 one' 'ok 2 - two' 'ok 3 three # SKIP no such device'
	stream bad 1 '1..2' 'ok 1 fine' 'not ok 2 breaks' '# expected 1' '#  but got 2'
	stream none 0 '1..0 # SKIP not on this machine'
	run "$tools/tap-report" taps
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = "SKIPPED good: three: no such device" ]
	[ "${lines[1]}" = "SKIPPED none: all of it: not on this machine" ]
	[ "${lines[2]}" = "FAILED bad: breaks" ]
	[ "${lines[3]}" = "    expected 1" ]
	[ "${lines[-2]}" = "failed: bad: breaks" ]
	[ "${lines[-1]}" = "3 passed, 1 failed, 2 skipped" ]
}

@test "tap-report: cases that never came, a crash at the end and a missing plan are failures" {
	stream short 0 '1..3' 'ok 1 one'
	stream crash 139 '1..1' 'ok 1 one'
	stream mute 1 'cannot open shared object'
	run "$tools/tap-report" taps
	[ "$status" -eq 1 ]
	[[ $output == *"FAILED short: case 2 never reported"* ]]
	[[ $output == *"FAILED short: case 3 never reported"* ]]
	[[ $output == *"FAILED crash: ended with status 139"* ]]
	[[ $output == *"FAILED mute: wrote no plan"* ]]
	[ "${lines[-1]}" = "2 passed, 4 failed, 0 skipped" ]
}

@test "tap-report: meson's logs are read too, with what a program wrote to stderr" {
	printf '%s\n' '{"name": "insula:unit / base", "result": "OK", "returncode": 0, "stdout": "1..1\nok 1 a\n"}' \
		'{"name": "json", "result": "ERROR", "returncode": 1, "stdout": "1..1\nok 1 b\n", "stderr": "leak of 8 bytes"}' \
		'{"name": "slow", "result": "TIMEOUT", "returncode": -9, "stdout": "1..2\nok 1 c\n"}' >taps/unit.json
	run "$tools/tap-report" taps
	[ "$status" -eq 1 ]
	[[ $output == *"FAILED unit: json: ended with status 1"*"leak of 8 bytes"* ]]
	[[ $output == *"FAILED unit: slow: case 2 never reported"* ]]
	[ "${lines[-1]}" = "3 passed, 2 failed, 0 skipped" ]
}

@test "tap-report: nothing at all is not a success; all passed is" {
	run "$tools/tap-report" taps
	[ "$status" -eq 1 ]
	stream good 0 '1..1' 'ok 1 one'
	run "$tools/tap-report" taps
	[ "$status" -eq 0 ]
	[ "$output" = "1 passed, 0 failed, 0 skipped" ]
}

# other_distribution ID: tools/deps where that distribution is running and bats is not installed.
other_distribution() {
	printf 'ID=%s\n' "$1" >os-release
	mkdir -p bin
	for tool in cat id dirname env sh; do
		ln -sf "$(command -v "$tool")" bin/
	done
	run unshare --mount sh -ec 'mount --bind os-release /etc/os-release; PATH=$PWD/bin; exec "$1" check' \
		sh "$tools/deps"
}

@test "deps: another distribution is told its own names, and nothing is installed" {
	other_distribution arch
	[ "$status" -eq 1 ]
	[[ $output == *"please run: pacman -S --needed bash-bats"* ]]
}

@test "deps: an unknown distribution is told what is missing" {
	other_distribution plan9
	[ "$status" -eq 1 ]
	[[ $output == *"not one we know"*" bats "* ]]
}

@test "deps: a set that does not exist is refused" {
	run "$tools/deps" kitchen
	[ "$status" -eq 2 ]
	[[ $output == "usage: tools/deps"* ]]
}
