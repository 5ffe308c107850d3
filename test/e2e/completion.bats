#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion: the scripts that come from the option tables, in the shells that they are for.

setup() {
	: "${INSULA_BIN:=$BATS_TEST_DIRNAME/../../build-test/src/programs}"
	script=$BATS_TEST_TMPDIR/script
	export INSULA_ROOT=$BATS_TEST_TMPDIR/lib INSULA_RUNROOT=$BATS_TEST_TMPDIR/run
}

made_for() {
	"$INSULA_BIN/insula" completion "$1" >"$script"
}

# needs SHELL: or the test is skipped.
needs() {
	command -v "$1" >/dev/null || skip "there is no $1 here"
}

# offers WORDS ARGUMENT...: what bash completes the last argument to, as it would at a prompt. The
# names of containers are those of a stand-in.
offers() {
	local wanted=$1
	shift
	got=$(bash -c '
		source "$0"
		insula() { [ "$1" != --root ] || { printf "%s\n" "store$2"; return; }; case $1 in __containers) printf "%s\n" alpha beta ;; __secrets) printf "%s\n" key token ;; esac; }
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_insula
		echo "${COMPREPLY[*]}"' "$script" "$@")
	[ "$got" = "$wanted" ] || {
		echo "wanted: $wanted"
		echo "got:    $got"
		return 1
	}
}

@test "bash: verbs, options, choices and containers are completed" {
	made_for bash
	offers 'inspect info' insula in
	offers '--user --userns' insula run --user
	offers '--network' insula --root /tmp run --net
	offers 'created id image name status size' insula ps --sort ''
	offers 'name' insula ps --sort = n
	offers 'alpha beta' insula stop ''
	offers 'beta' insula stop --time 3 b
	offers 'host' insula run -e A=b ho
	offers 'HUP' insula kill -s HU
	offers 'zsh' insula completion z
}

@test "bash: whose namespace is joined is completed" {
	made_for bash
	offers 'private host container:' insula run --pid ''
	offers 'container:' insula run --userns c
	offers 'alpha beta' insula run --pid container :
	offers 'beta' insula create --rm --network container : b
	offers 'alpha' insula run --uts = container : al
	offers '' insula run --ipc elsewhere : al
	offers 'host' insula run --pid container : alpha ho
}

@test "bash: what a verb is to do, and then with what, is completed" {
	made_for bash
	offers 'create ls inspect rm exists' insula secret ''
	offers 'rm' insula secret r
	offers 'key token' insula secret rm ''
	offers 'token' insula secret inspect --showsecret key t
	offers 'key token' insula run --secret ''
	offers 'add remove list' insula mounts ''
	offers 'beta' insula devices list b
	offers 'upgrade' insula system u
	offers 'alpha beta' insula system upgrade ''
	offers 'bash zsh fish' insula completion ''
	offers '' insula completion bash ''
}

@test "what is inspected is completed by its type, in each shell" {
	made_for bash
	offers 'alpha beta key token' insula inspect ''
	offers 'key token' insula inspect --type secret ''
	offers 'key token' insula inspect -t secret --size ''
	offers 'token' insula inspect --type = secret key t
	offers 'alpha beta' insula inspect --type container ''
	offers 'all container secret' insula inspect --type ''
	made_for zsh
	zsh_objects $'alpha\nkey' inspect ''
	zsh_objects key inspect --type secret ''
	zsh_objects key inspect -t secret ''
	zsh_objects key inspect --type=secret ''
	zsh_objects key inspect -tsecret ''
	zsh_objects alpha inspect --type container ''
	command -v fish >/dev/null || return 0
	made_for fish
	fish_offers $'__containers\n__secrets' 'insula inspect '
	fish_offers __secrets 'insula inspect --type secret '
	fish_offers __secrets 'insula inspect --type=secret '
	fish_offers __secrets 'insula inspect -t secret '
	fish_offers __containers 'insula inspect -t container '
}

# zsh_objects NAMES WORD...: what is offered for the last word.
zsh_objects() {
	local wanted=$1
	shift
	command -v zsh >/dev/null || return 0
	# shellcheck disable=SC2016  # zsh expands it
	got=$(zsh -fc 'compdef() { : }
		insula() { case $1 in __containers) echo alpha ;; __secrets) echo key ;; esac; }
		_describe() { print -l ${(P)2} }
		source $1
		words=("${(@)argv[2,-1]}")
		_insula_objects' zsh "$script" "$@")
	[ "$got" = "$wanted" ] || {
		echo "wanted: $wanted"
		echo "got:    $got"
		return 1
	}
}

@test "names are those of the store that the command line has" {
	made_for bash
	offers 'store/s' insula --root /s stop ''
	offers 'store/s' insula --root = /s --runroot /r secret rm ''
	command -v fish >/dev/null || return 0
	made_for fish
	fish_offers $'--root\n/s\n__containers' 'insula --root /s stop '
	fish_offers $'--root=/s\n__secrets' 'insula --root=/s secret rm '
	fish_offers restart 'insula --root /s rest'
	fish_offers $'--root\n/s\n__secrets' 'insula --root /s secret rm '
}

@test "zsh and fish: what a verb is to do, and then with what, is completed" {
	made_for zsh
	grep -A30 '^	secret)' "$script" | grep -q -F "'1:action:(create ls inspect rm exists)' \\"
	grep -A40 '^	secret)' "$script" | grep -q -F "'*:secret:_insula_secrets' && return"
	grep -A9 '^	completion)' "$script" | grep -q -F "'1:action:(bash zsh fish)' && return"
	needs fish
	made_for fish
	fish -n "$script"
	fish_offers $'create\nexists\ninspect\nls\nrm' 'insula secret '
	fish_offers __secrets 'insula secret rm '
	fish_offers $'add\nlist\nremove' 'insula mounts '
	fish_offers __containers 'insula devices list '
	fish_offers '' 'insula secret ls --filter '
}

# fish_offers WORDS LINE: each on a line, by name; what is asked for is what it is asked with.
fish_offers() {
	got=$(env HOME="$BATS_TEST_TMPDIR" fish -c "function insula; printf '%s\n' \$argv; end; source $script; complete -C '$2'" | cut -f1 | sort)
	[ "$got" = "$1" ] || {
		echo "wanted: $1"
		echo "got:    $got"
		return 1
	}
}

@test "bash: after the image the command is the container's, not ours" {
	made_for bash
	offers '' insula run host --user
	offers '' insula exec alpha --user
	offers '' insula nosuch ''
}

@test "bash: refused options and hidden verbs are not offered" {
	made_for bash
	offers '' insula run --privil
	offers '' insula __
}

@test "bash: shellcheck has nothing to say" {
	needs shellcheck
	made_for bash
	shellcheck --shell=bash "$script"
}

@test "every option of every verb is in each script, by its help" {
	for shell in bash zsh fish; do
		made_for "$shell"
		for verb in run create start exec attach ps logs stop restart kill pause unpause rm wait healthcheck inspect info version doctor cp diff events top stats update rename prune system up generate secret mounts devices; do
			"$INSULA_BIN/insula" "$verb" --help | grep -o -- '--[a-z][a-z-]*' | sort -u |
				while read -r option; do
					case $shell in
					fish) grep -q -- "$verb' -l ${option#--} " "$script" || [ "$option" = --help ] ;;
					*) grep -q -- "$option" "$script" ;;
					esac || {
						echo "$shell: $verb $option is missing"
						exit 1
					}
				done || return
		done
	done
}

@test "zsh: the script is read, and completes insula" {
	needs zsh
	made_for zsh
	zsh -n "$script"
	# shellcheck disable=SC2016  # zsh expands it
	run zsh -fc 'autoload -U compinit && compinit -D -u && source $1 && echo $_comps[insula]' zsh "$script"
	[ "$output" = _insula ]
}

@test "fish: options, choices and verbs are completed" {
	needs fish
	made_for fish
	fish -n "$script"
	run env HOME="$BATS_TEST_TMPDIR" fish -c "source $script; complete -C 'insula ps --sort '"
	[[ $output == *created* && $output == *status* ]]
	run env HOME="$BATS_TEST_TMPDIR" fish -c "function insula; echo alpha; end; source $script; complete -C 'insula run --pid '"
	[[ $output == *container:alpha* && $output == *host* && $output == *private* ]]
	run env HOME="$BATS_TEST_TMPDIR" fish -c "source $script; complete -C 'insula inspe'"
	[[ $output == inspect* ]]
}

@test "a shell that is not known is refused" {
	run "$INSULA_BIN/insula" completion tcsh
	[ "$status" -eq 125 ]
	[[ $output == *"no completion for 'tcsh'"* ]]
}
