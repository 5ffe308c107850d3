/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * insula completion SHELL: a script for bash, zsh or fish, written from the tables of verbs and options.
 *
 * Everything that the tables know (verbs, options, choices, which operand is a container) is in the
 * script, so that a shell completes without starting us; only the names of containers are asked for when
 * they are needed, by the hidden verb below. What may not be read completes to nothing.
 */
#include <string.h>

#include "base/own.h"
#include "base/proc.h"
#include "cli/cli.h"

#define SIGNALS_END 32 /* the classic ones; real-time signals are seldom typed */
#define CONTAINERS_VERB "__containers"
#define MODE "mode "

/* ---- what the emitters share ---- */

static bool is_shown(const struct opt *row)
{
	return row->type != OPT_REFUSED;
}

static bool takes_value(const struct opt *row)
{
	return row->type != OPT_BOOL;
}

static void add_signals(struct str *out)
{
	char name[32];

	for (int signal = 1; signal < SIGNALS_END; signal++)
		str_addf(out, "%s%s", signal > 1 ? " " : "",
			 proc_signal_name(signal, name, sizeof name) + strlen("SIG"));
}

/* The words that a value is one of; empty where that is not known beforehand. */
static void add_words(struct str *out, const struct opt *row)
{
	for (size_t i = 0; row->type == OPT_CHOICE && row->choices[i]; i++)
		str_addf(out, "%s%s", i ? " " : "", row->choices[i]);
	if (str_eq(row->complete, "signal"))
		add_signals(out);
	else if (str_eq(row->complete, "image"))
		str_add(out, "host dir:");
}

/* The words that its first operand is one of, as its usage has them ("add|remove|list ..."); none. */
static void add_actions(struct str *out, const struct verb *verb)
{
	size_t length = verb->usage ? strcspn(verb->usage, " ") : 0;

	if (!length || !memchr(verb->usage, '|', length))
		return;
	for (size_t i = 0; i < length; i++)
		str_add_char(out, verb->usage[i] == '|' ? ' ' : verb->usage[i]);
}

/* Text between single quotes: each character of `special` is escaped. */
static void add_escaped(struct str *out, const char *text, const char *special, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'')
			str_add(out, quote);
		else if (strchr(special, *text))
			str_addf(out, "\\%c", *text);
		else
			str_add_char(out, *text);
	}
}

typedef void verb_fn(struct str *out, const struct verb *verb);

static void each_verb(struct str *out, verb_fn *fn)
{
	for (size_t i = 0; cli_verbs[i]; i++)
		if (!(cli_verbs[i]->flags & VERB_HIDDEN))
			fn(out, cli_verbs[i]);
}

/* ---- bash ---- */

static void bash_option_names(struct str *out, const struct opt *table, bool only_valued)
{
	for (const struct opt *row = table; row->name; row++) {
		if (!is_shown(row) || (only_valued && !takes_value(row)))
			continue;
		str_addf(out, " --%s", row->name);
		if (row->letter)
			str_addf(out, " -%c", row->letter);
	}
}

static void bash_verb_name(struct str *out, const struct verb *verb)
{
	str_addf(out, " %s", verb->name);
}

static void bash_verb_data(struct str *out, const struct verb *verb)
{
	str_addf(out, "\t%s)\n\t\toptions='--help", verb->name);
	bash_option_names(out, verb->table, false);
	str_add(out, "'\n\t\tvalued='");
	bash_option_names(out, verb->table, true);
	str_add(out, "'\n\t\tactions='");
	add_actions(out, verb);
	str_addf(out, "'\n\t\toperand=%s\n", verb->complete ? verb->complete : "none");
	str_addf(out, "\t\tstop=%s\n\t\t;;\n", verb->flags & VERB_STOP_PARSE ? "yes" : "no");
}

/* How to complete a value: "words private host", "file", ... */
static void bash_value(struct str *out, const char *verb, const struct opt *row)
{
	own(str) struct str words = STR_INIT(4096);

	add_words(&words, row);
	if (!words.len && !row->complete)
		return;
	str_addf(out, "\t'%s --%s'", verb, row->name);
	if (row->letter)
		str_addf(out, " | '%s -%c'", verb, row->letter);
	if (words.len)
		str_addf(out, ") value='words %s' ;;\n", words.data);
	else
		str_addf(out, ") value='%s' ;;\n", row->complete);
}

static void bash_values(struct str *out, const struct verb *verb)
{
	for (const struct opt *row = verb->table; row->name; row++)
		if (is_shown(row) && takes_value(row))
			bash_value(out, verb->name, row);
}

/* The loose words of "mode A B"; NULL: it is none. */
static const char *modes_of(const struct opt *row)
{
	return row->complete && str_starts(row->complete, MODE) ? row->complete + strlen(MODE)
								: NULL;
}

static const char bash_frame[] =
	"\n"
	"# The names of one kind of thing, of the store that the command line has.\n"
	"_insula_names() {\n"
	"	case $1 in\n"
	"	containers | container | all) insula \"${store[@]}\" " CONTAINERS_VERB
	" 2>/dev/null ;;&\n"
	"	secrets | secret | all) insula \"${store[@]}\" " CLI_SECRETS_VERB
	" 2>/dev/null ;;\n"
	"	esac\n"
	"}\n"
	"\n"
	"# The words to choose from, or files, for one kind of value.\n"
	"_insula_reply() {\n"
	"	local kind=$1 cur=$2\n"
	"	shift 2\n"
	"	case $kind in\n"
	"	words) mapfile -t COMPREPLY < <(compgen -W \"$*\" -- \"$cur\") ;;\n"
	"	container) mapfile -t COMPREPLY < <(compgen -W \"$(_insula_names containers)\" -- "
	"\"$cur\") ;;\n"
	"	mode)\n"
	"		mapfile -t COMPREPLY < <(compgen -W \"$* container:\" -- \"$cur\")\n"
	"		[[ ${COMPREPLY[*]} != container: ]] || compopt -o nospace 2>/dev/null\n"
	"		;;\n"
	"	secret) mapfile -t COMPREPLY < <(compgen -W \"$(_insula_names secrets)\" -- "
	"\"$cur\") ;;\n"
	"	object) mapfile -t COMPREPLY < <(compgen -W \"$(_insula_names "
	"\"${object:-all}\")\" -- "
	"\"$cur\") ;;\n"
	"	image) mapfile -t COMPREPLY < <(compgen -W 'host dir:' -- \"$cur\") ;;\n"
	"	dir) mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
	"	file) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
	"	esac\n"
	"}\n"
	"\n"
	"_insula() {\n"
	"	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"	local verb='' options valued actions operand stop value=none i word operands=0 "
	"before=\n"
	"	local object='' at\n"
	"	local -a store=()\n"
	"	COMPREPLY=()\n"
	"	# The shell takes --name=value apart at the equals sign.\n"
	"	if [[ $cur == = ]]; then\n"
	"		cur=\n"
	"	elif [[ $prev == = ]]; then\n"
	"		prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"	fi\n"
	"	# And container:name at the colon.\n"
	"	if [[ $cur == : || $prev == : ]]; then\n"
	"		i=$((COMP_CWORD - 2))\n"
	"		[[ $cur != : ]] || ((++i))\n"
	"		cur=${cur#:} before=${COMP_WORDS[i]} prev=${COMP_WORDS[i - 1]}\n"
	"		[[ $prev != = ]] || prev=${COMP_WORDS[i - 2]}\n"
	"	fi\n"
	"	_insula_verb '' || return\n"
	"	for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"		word=${COMP_WORDS[i]}\n"
	"		if [[ $word == -* ]]; then\n"
	"			at=$i\n"
	"			[[ \" $valued \" != *\" $word \"* ]] || ((i++))\n"
	"			[[ ${COMP_WORDS[i]} != = ]] || ((i++))\n"
	"			if ((i > at && i < COMP_CWORD)); then\n"
	"				case \"$verb $word\" in\n"
	"				' --root' | ' --runroot') store+=(\"$word\" "
	"\"${COMP_WORDS[i]}\") ;;\n"
	"				'inspect --type' | 'inspect -t') object=${COMP_WORDS[i]} "
	";;\n"
	"				esac\n"
	"			fi\n"
	"			while [[ ${COMP_WORDS[i + 1]} == : ]]; do ((i += 2)); done\n"
	"		elif [[ -z $verb ]]; then\n"
	"			verb=$word\n"
	"			_insula_verb \"$verb\" || return\n"
	"		else\n"
	"			((operands++))\n"
	"			[[ $stop != yes ]] || break\n"
	"		fi\n"
	"	done\n"
	"	if ((operands > 0)) && [[ $stop == yes ]]; then\n"
	"		_insula_reply file \"$cur\"\n"
	"	elif [[ \" $valued \" == *\" $prev \"* ]]; then\n"
	"		_insula_value \"$verb $prev\"\n"
	"		if [[ -n $before && $value == 'mode '* ]]; then\n"
	"			value=none\n"
	"			[[ $before != container ]] || value=container\n"
	"		fi\n"
	"		# shellcheck disable=SC2086  # kind and words are separate arguments\n"
	"		_insula_reply ${value%% *} \"$cur\" ${value#* }\n"
	"	elif [[ $cur == -* ]]; then\n"
	"		_insula_reply words \"$cur\" \"$options\"\n"
	"	elif [[ -z $verb ]]; then\n"
	"		_insula_reply words \"$cur\" \"$verbs\"\n"
	"	elif ((operands == 0)) && [[ -n $actions ]]; then\n"
	"		_insula_reply words \"$cur\" \"$actions\"\n"
	"	else\n"
	"		_insula_reply \"$operand\" \"$cur\"\n"
	"	fi\n"
	"}\n"
	"\n"
	"complete -F _insula insula\n";

static void emit_bash(struct str *out)
{
	static const struct verb global = {.name = "", .table = cli_global_table};

	str_add(out, "# bash completion of insula, written by: insula completion bash\n"
		     "# shellcheck shell=bash disable=SC2034  # set for the caller\n\n"
		     "# What there is to complete after a verb, into the caller's variables.\n"
		     "_insula_verb() {\n\tverbs='help");
	each_verb(out, bash_verb_name);
	str_add(out, "'\n\tcase $1 in\n\t'')\n\t\toptions='--help --version");
	bash_option_names(out, cli_global_table, false);
	str_add(out, "'\n\t\tvalued='");
	bash_option_names(out, cli_global_table, true);
	str_add(out, "'\n\t\tactions=''\n\t\toperand=none\n\t\tstop=no\n\t\t;;\n");
	each_verb(out, bash_verb_data);
	str_add(out, "\t*) return 1 ;;\n\tesac\n}\n\n"
		     "# How the value of an option is completed.\n"
		     "_insula_value() {\n\tcase $1 in\n");
	bash_values(out, &global);
	each_verb(out, bash_values);
	str_add(out, "\t*) value=none ;;\n\tesac\n}\n");
	str_add(out, bash_frame);
}

/* ---- zsh ---- */

static void zsh_text(struct str *out, const char *text)
{
	add_escaped(out, text, "[]:", "'\\''");
}

/* "message:action" of a value. */
static void zsh_action(struct str *out, const struct opt *row)
{
	own(str) struct str words = STR_INIT(4096);

	add_words(&words, row);
	str_add_char(out, ':');
	zsh_text(out, row->value_name ? row->value_name : "value");
	if (words.len)
		str_addf(out, ":(%s)", words.data);
	else if (str_eq(row->complete, "file"))
		str_add(out, ":_files");
	else if (str_eq(row->complete, "dir"))
		str_add(out, ":_files -/");
	else if (modes_of(row))
		str_addf(out, ": _insula_mode %s", modes_of(row));
	else if (str_eq(row->complete, "secret"))
		str_add(out, ":_insula_secrets");
	else
		str_add(out, ": ");
}

static void zsh_option(struct str *out, const struct opt *row)
{
	const char *more = row->type == OPT_STRINGS ? "*" : "";

	if (row->letter)
		str_addf(out, "\t\t\t'%s'{-%c%s,--%s%s}'[", more, row->letter,
			 takes_value(row) ? "+" : "", row->name, takes_value(row) ? "=" : "");
	else
		str_addf(out, "\t\t\t'%s--%s%s[", more, row->name, takes_value(row) ? "=" : "");
	zsh_text(out, row->help);
	str_add_char(out, ']');
	if (takes_value(row))
		zsh_action(out, row);
	str_add(out, "' \\\n");
}

static void zsh_options(struct str *out, const struct opt *table)
{
	for (const struct opt *row = table; row->name; row++)
		if (is_shown(row))
			zsh_option(out, row);
}

static void zsh_verb_name(struct str *out, const struct verb *verb)
{
	str_addf(out, "\t\t'%s:", verb->name);
	zsh_text(out, verb->help);
	str_add(out, "'\n");
}

static void zsh_operands(struct str *out, const struct verb *verb)
{
	const char *action = str_eq(verb->complete, "container") ? "_insula_containers"
			     : str_eq(verb->complete, "secret")	 ? "_insula_secrets"
			     : str_eq(verb->complete, "object")	 ? "_insula_objects"
			     : str_eq(verb->complete, "image")	 ? "(host dir\\:)"
								 : NULL;
	own(str) struct str actions = STR_INIT(256);

	add_actions(&actions, verb);
	if (actions.len)
		str_addf(out, "\t\t\t'1:action:(%s)'%s\n", actions.data,
			 action ? " \\" : " && return");
	if (!action && actions.len)
		return;
	if (!action)
		str_add(out, "\t\t\t&& return\n");
	else if (verb->flags & VERB_STOP_PARSE)
		str_addf(out, "\t\t\t'1:%s:%s' '*::command: _normal' && return\n", verb->complete,
			 action);
	else
		str_addf(out, "\t\t\t'*:%s:%s' && return\n", verb->complete, action);
}

static void zsh_verb(struct str *out, const struct verb *verb)
{
	str_addf(out, "\t%s)\n\t\t_arguments -s -S \\\n", verb->name);
	zsh_options(out, verb->table);
	str_add(out, "\t\t\t'--help[explain the verb]' \\\n");
	zsh_operands(out, verb);
	str_add(out, "\t\t;;\n");
}

static void emit_zsh(struct str *out)
{
	str_add(out, "#compdef insula\n"
		     "# zsh completion of insula, written by: insula completion zsh\n\n"
		     "_insula_containers() {\n"
		     "\tlocal -a containers\n"
		     "\tcontainers=(${(f)\"$(insula $store " CONTAINERS_VERB " 2>/dev/null)\"})\n"
		     "\t_describe container containers\n"
		     "}\n\n"
		     "_insula_mode() {\n"
		     "\tif compset -P container:; then\n"
		     "\t\t_insula_containers\n"
		     "\telse\n"
		     "\t\tcompadd -- $@\n"
		     "\t\tcompadd -S '' -- container:\n"
		     "\tfi\n"
		     "}\n\n"
		     "_insula_secrets() {\n"
		     "\tlocal -a secrets\n"
		     "\tsecrets=(${(f)\"$(insula $store " CLI_SECRETS_VERB " 2>/dev/null)\"})\n"
		     "\t_describe secret secrets\n"
		     "}\n\n"
		     "_insula_objects() {\n"
		     "\tlocal type=${words[(R)(--type=*|-t?*)]}\n"
		     "\tlocal -i at=${words[(I)(--type|-t)]}\n"
		     "\ttype=${${type#--type=}#-t}\n"
		     "\t(( ! at )) || type=${words[at+1]}\n"
		     "\t[[ $type == secret ]] || _insula_containers\n"
		     "\t[[ $type == container ]] || _insula_secrets\n"
		     "}\n\n"
		     "_insula() {\n"
		     "\tlocal curcontext=$curcontext state line\n"
		     "\tlocal -a verbs store\n"
		     "\ttypeset -A opt_args\n"
		     "\tverbs=(\n");
	each_verb(out, zsh_verb_name);
	str_add(out, "\t)\n\t_arguments -C \\\n");
	zsh_options(out, cli_global_table);
	str_add(out, "\t\t\t'--help[list the verbs]' '--version[print the version]' \\\n"
		     "\t\t\t'1: :->verb' '*:: :->rest' && return\n"
		     "\tif [[ $state == verb ]]; then\n"
		     "\t\t_describe verb verbs\n"
		     "\t\treturn\n"
		     "\tfi\n"
		     "\tlocal option\n"
		     "\tfor option in --root --runroot; do\n"
		     "\t\t[[ -z $opt_args[$option] ]] || store+=($option ${(Q)opt_args[$option]})\n"
		     "\tdone\n"
		     "\tcase $words[1] in\n");
	each_verb(out, zsh_verb);
	str_add(out, "\tesac\n}\n\n"
		     "if [[ $funcstack[1] == _insula ]]; then\n\t_insula \"$@\"\n"
		     "else\n\tcompdef _insula insula\nfi\n");
}

/* ---- fish ---- */

static void fish_text(struct str *out, const char *text)
{
	add_escaped(out, text, "\\", "\\'");
}

static void fish_option(struct str *out, const char *condition, const struct opt *row)
{
	own(str) struct str words = STR_INIT(4096);
	bool files = str_eq(row->complete, "file") || str_eq(row->complete, "dir");

	add_words(&words, row);
	str_addf(out, "complete -c insula -n '%s' -l %s", condition, row->name);
	if (row->letter)
		str_addf(out, " -s %c", row->letter);
	if (takes_value(row))
		str_add(out, files ? " -r -F" : " -x");
	if (words.len)
		str_addf(out, " -a '%s'", words.data);
	if (modes_of(row))
		str_addf(out,
			 " -a '%s (__insula_names " CONTAINERS_VERB
			 " | string replace -r ^ container:)'",
			 modes_of(row));
	if (str_eq(row->complete, "secret"))
		str_add(out, " -a '(__insula_names " CLI_SECRETS_VERB ")'");
	str_add(out, " -d '");
	fish_text(out, row->help);
	str_add(out, "'\n");
}

static void fish_operands(struct str *out, const struct verb *verb, const char *condition)
{
	static const struct {
		const char *complete, *what;
	} rows[] = {
		{"container", "-a '(__insula_names " CONTAINERS_VERB ")'"},
		{"secret", "-a '(__insula_names " CLI_SECRETS_VERB ")'"},
		{"object", "-a '(__insula_objects)'"},
		{"image", "-F -a 'host dir:'"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (str_eq(verb->complete, rows[i].complete))
			str_addf(out, "complete -c insula -n '%s' %s\n", condition, rows[i].what);
}

static void fish_verb(struct str *out, const struct verb *verb)
{
	own(str) struct str condition = STR_INIT(512);
	own(str) struct str actions = STR_INIT(256);

	str_addf(out, "complete -c insula -n '__insula_verb' -a %s -d '", verb->name);
	fish_text(out, verb->help);
	str_add(out, "'\n");
	str_addf(&condition, "__insula_verb %s", verb->name);
	for (const struct opt *row = verb->table; row->name; row++)
		if (is_shown(row))
			fish_option(out, condition.data, row);
	str_addf(out, "complete -c insula -n '%s' -l help -d 'explain the verb'\n", condition.data);
	add_actions(&actions, verb);
	if (actions.len) {
		str_addf(out,
			 "complete -c insula -n '%s; and not __fish_seen_subcommand_from %s' -a "
			 "'%s'\n",
			 condition.data, actions.data, actions.data);
		str_addf(&condition, "; and __fish_seen_subcommand_from %s", actions.data);
	}
	fish_operands(out, verb, condition.data);
}

static void emit_fish(struct str *out)
{
	str_add(out, "# fish completion of insula, written by: insula completion fish\n\n"
		     "# The names of one kind of thing, of the store that the command line has.\n"
		     "function __insula_names\n"
		     "\tset -l store\n"
		     "\tset -l words (commandline -opc)\n"
		     "\tfor i in (seq 2 (count $words))\n"
		     "\t\tswitch $words[$i]\n"
		     "\t\t\tcase '--root=*' '--runroot=*'\n"
		     "\t\t\t\tset -a store $words[$i]\n"
		     "\t\t\tcase --root --runroot\n"
		     "\t\t\t\tset -a store $words[$i] $words[(math $i + 1)]\n"
		     "\t\tend\n"
		     "\tend\n"
		     "\tinsula $store $argv[1] 2>/dev/null\n"
		     "end\n\n"
		     "# Is that the verb, or is there none yet?\n"
		     "function __insula_verb\n"
		     "\tset -l words (commandline -opc)[2..]\n"
		     "\twhile set -q words[1]\n"
		     "\t\tswitch $words[1]\n"
		     "\t\t\tcase --root --runroot\n"
		     "\t\t\t\tset -e words[1]\n"
		     "\t\t\tcase '-*'\n"
		     "\t\t\tcase '*'\n"
		     "\t\t\t\ttest \"$words[1]\" = \"$argv[1]\"\n"
		     "\t\t\t\treturn\n"
		     "\t\tend\n"
		     "\t\tset -e words[1]\n"
		     "\tend\n"
		     "\ttest (count $argv) -eq 0\n"
		     "end\n\n"
		     "function __insula_objects\n"
		     "\tset -l words (commandline -opc)\n"
		     "\tset -l type (string match -r -- '^(?:--type=|-t)(.+)$' $words)[-1]\n"
		     "\tif set -l at (contains -i -- --type $words; or contains -i -- -t $words)\n"
		     "\t\tset type $words[(math $at + 1)]\n"
		     "\tend\n"
		     "\ttest \"$type\" = secret; or __insula_names " CONTAINERS_VERB "\n"
		     "\ttest \"$type\" = container; or __insula_names " CLI_SECRETS_VERB "\n"
		     "end\n\n"
		     "complete -c insula -f\n");
	for (const struct opt *row = cli_global_table; row->name; row++)
		fish_option(out, "__insula_verb", row);
	each_verb(out, fish_verb);
}

/* ---- the verbs ---- */

static const struct {
	const char *name;
	void (*emit)(struct str *out);
} shells[] = {{"bash", emit_bash}, {"zsh", emit_zsh}, {"fish", emit_fish}};

static int run_completion(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	own(str) struct str text = STR_INIT(1u << 20);

	for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
		if (!str_eq(shells[i].name, operands->items[0]))
			continue;
		shells[i].emit(&text);
		if (str_check(&text, "the script", err) < 0)
			return -1;
		fputs(text.data, stdout);
		return 0;
	}
	err_set(err, ERR_USAGE, 0, "there is no completion for '%s'", operands->items[0]);
	return err_hint(err, "bash, zsh or fish");
}

static const struct opt no_table[] = {{0}};

const struct verb cli_verb_completion = {
	.name = "completion",
	.usage = "bash|zsh|fish",
	.help = "print a script that makes a shell complete the command line",
	.table = no_table,
	.min_operands = 1,
	.max_operands = 1,
	.run = run_completion,
};

/* Names, one a line, for the scripts above. */
static int run_containers(struct cli *cli, void *data, const struct strv *operands, struct err *err)
{
	own(strv) struct strv ids = STRV_INIT;

	if (store_list(&cli->store, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		own(container) struct container ct = CONTAINER_INIT;
		struct err loading = ERR_INIT;

		if (store_load(&cli->store, ids.items[i], &ct, &loading) == 0)
			puts(ct.record.name);
	}
	return 0;
}

const struct verb cli_verb_containers = {
	.name = CONTAINERS_VERB,
	.usage = "",
	.help = "names of containers, for completion",
	.table = no_table,
	.flags = VERB_STORE | VERB_HIDDEN,
	.run = run_containers,
};
