/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The option parser: every way to write an option, every type, every refusal, and the help text as
 * a person sees it.
 */
#include "base/opt.h"
#include "base/own.h"
#include "heap.h"
#include "test.h"

struct values {
	bool interactive, tty;
	bool rm;
	bool name_given, memory_given, rm_given;
	char *name;
	struct strv env;
	uint64_t pids;
	int64_t adj;
	uint64_t memory, cpus, timeout;
	int pull;
	uint64_t weight;
	uint64_t at_least;
};

static const char *const pull_choices[] = {"always", "missing", "never", NULL};

#define FIELD(f) offsetof(struct values, f)

static const struct opt table[] = {
	{"interactive", 'i', OPT_BOOL, FIELD(interactive), .help = "keep stdin open"},
	{"tty", 't', OPT_BOOL, FIELD(tty), .help = "allocate a terminal"},
	{"rm", 0, OPT_BOOL, FIELD(rm), FIELD(rm_given), .help = "remove it when it ends"},
	{"name", 'n', OPT_STRING, FIELD(name), FIELD(name_given), "NAME", "what it is called"},
	{"env", 'e', OPT_STRINGS, FIELD(env), .value_name = "KEY=VALUE", .help = "set a variable"},
	{"pids-limit", 0, OPT_U64, FIELD(pids), .value_name = "N", .help = "processes at most"},
	{"oom-score-adj", 0, OPT_I64, FIELD(adj), 0, "N", "how soon it dies", -1000, 1000},
	{"memory", 'm', OPT_BYTES, FIELD(memory), FIELD(memory_given), "BYTES", "memory limit",
	 4096, 1 << 30},
	{"cpus", 0, OPT_MILLI, FIELD(cpus), .value_name = "N", .help = "number of CPUs"},
	{"stop-timeout", 0, OPT_MS, FIELD(timeout), .value_name = "TIME",
	 .help = "before it kills"},
	{"pull", 0, OPT_CHOICE, FIELD(pull), .value_name = "WHEN", .help = "ask the registry",
	 .choices = pull_choices},
	{"weight", 0, OPT_U64, FIELD(weight), 0, "N", "share of the disk", 10, 1000},
	{"at-least", 0, OPT_U64, FIELD(at_least), 0, "N", "lower bound only", 5, 0},
	{"privileged", 0, OPT_REFUSED, 0, .help = "name what is needed with --cap-add"},
	{NULL},
};

static struct values v;
static struct strv operands;
static bool help;
static struct err err;

static int parse(unsigned int flags, int argc, const char *const argv[])
{
	opt_values_done(table, &v);
	strv_done(&operands);
	v = (struct values){.pull = -1};
	operands = STRV_INIT;
	help = false;
	err = ERR_INIT;
	return opt_parse(table, flags, argc, (char *const *)argv, &v, &operands, &help, &err);
}

#define PARSE_WITH(flags, ...) \
	parse(flags, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
	      (const char *[]){__VA_ARGS__})
#define PARSE(...) PARSE_WITH(0, __VA_ARGS__)

static void done(void)
{
	opt_values_done(table, &v);
	strv_done(&operands);
	operands = STRV_INIT;
}

TEST(every_spelling_of_a_value)
{
	static const char *const spellings[][2] = {
		{"--memory", "8k"}, {"--memory=8k"}, {"-m", "8k"}, {"-m8k"}, {"-m=8k"}};

	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		CHECK_OK(parse(0, spellings[i][1] ? 2 : 1, spellings[i]));
		CHECK_INT(v.memory, 8192);
		CHECK(v.memory_given);
		CHECK_INT(operands.count, 0);
	}
	done();
}

TEST(bundled_letters)
{
	CHECK_OK(PARSE("-it"));
	CHECK(v.interactive && v.tty);
	CHECK_OK(PARSE("-itm8k"));
	CHECK(v.interactive && v.tty);
	CHECK_INT(v.memory, 8192);
	CHECK_OK(PARSE("-itn", "box", "image"));
	CHECK(v.interactive && v.tty);
	CHECK_STR(v.name, "box");
	CHECK_STR(operands.items[0], "image");
	done();
}

TEST(a_value_may_look_like_an_option_or_be_empty)
{
	CHECK_OK(PARSE("--name", "--rm"));
	CHECK_STR(v.name, "--rm");
	CHECK(!v.rm);
	CHECK_OK(PARSE("--name="));
	CHECK_STR(v.name, "");
	CHECK(v.name_given);
	CHECK_OK(PARSE("-e", "A=1=2", "-eB=", "--env=C"));
	CHECK_INT(v.env.count, 3);
	CHECK_STR(v.env.items[0], "A=1=2");
	CHECK_STR(v.env.items[1], "B=");
	CHECK_STR(v.env.items[2], "C");
	CHECK(v.env.items[3] == NULL);
	done();
}

TEST(booleans)
{
	CHECK_OK(PARSE("--rm"));
	CHECK(v.rm && v.rm_given);
	CHECK_OK(PARSE("--rm=false"));
	CHECK(!v.rm && v.rm_given);
	CHECK_OK(PARSE("-i=false", "-t=true"));
	CHECK(!v.interactive && v.tty);
	CHECK_OK(PARSE("--rm", "--rm=false"));
	CHECK(!v.rm);
	CHECK_OK(PARSE("--rm", "false"));
	CHECK(v.rm);
	CHECK_STR(operands.items[0], "false");
	CHECK_OK(PARSE("-i"));
	CHECK(!v.rm_given);
	for (size_t i = 0; i < 6; i++) {
		static const char *const words[][6] = {
			{"--rm=true", "--rm=1", "--rm=t", "--rm=T", "--rm=True", "--rm=TRUE"},
			{"--rm=false", "--rm=0", "--rm=f", "--rm=F", "--rm=False", "--rm=FALSE"}};

		CHECK_OK(PARSE(words[0][i]));
		CHECK(v.rm);
		CHECK_OK(PARSE(words[1][i]));
		CHECK(!v.rm);
	}
	CHECK_ERR(PARSE("--rm=yes"), ERR_USAGE, "--rm must be true or false, not 'yes'");
	CHECK_ERR(PARSE("--rm="), ERR_USAGE, "--rm must be true or false, not ''");
	done();
}

TEST(help_is_asked_for_in_two_ways_more_where_that_is_wanted)
{
	CHECK_ERR(PARSE("-?"), ERR_USAGE, "unknown option -?");
	CHECK_ERR(PARSE("--usage"), ERR_USAGE, "unknown option --usage");
	CHECK_OK(PARSE_WITH(OPT_HELP_OF_ARGP, "-?"));
	CHECK(help);
	CHECK_OK(PARSE_WITH(OPT_HELP_OF_ARGP, "--usage"));
	CHECK(help);
	done();
}

TEST(the_last_of_a_repeated_option_wins)
{
	CHECK_OK(PARSE("--name", "a", "-m", "8k", "--name=b", "-m", "16k"));
	CHECK_STR(v.name, "b");
	CHECK_INT(v.memory, 16384);
	done();
}

TEST(values_are_released)
{
	size_t blocks = heap_blocks();

	CHECK_OK(PARSE("--name=a", "-n", "b", "-e", "c", "-e", "d", "operand", "--", "another"));
	CHECK(heap_blocks() > blocks);
	done();
	CHECK_INT(heap_blocks(), blocks);
}

TEST(parsing_without_memory)
{
	size_t n, blocks = heap_blocks();

	/* The last argument's error is reached once every allocation succeeds. */
	for (n = 0; err.kind != ERR_USAGE; n++) {
		heap_fail_at(n + 1);
		CHECK(PARSE("--name=a", "-e", "c", "operand", "--nope") < 0);
		heap_fail_at(0);
		CHECK(err.kind == ERR_LIMIT || err.kind == ERR_USAGE);
		done();
		CHECK_INT(heap_blocks(), blocks);
	}
	CHECK(n > 5);
}

TEST(numbers)
{
	CHECK_OK(PARSE("--pids-limit", "18446744073709551615"));
	CHECK(v.pids == UINT64_MAX);
	CHECK_OK(PARSE("--pids-limit=0", "--oom-score-adj=-1000", "--cpus=1.5", "--stop-timeout",
		       "1m30s"));
	CHECK_INT(v.pids, 0);
	CHECK_INT(v.adj, -1000);
	CHECK_INT(v.cpus, 1500);
	CHECK_INT(v.timeout, 90000);
	CHECK_OK(PARSE("--oom-score-adj", "-5"));
	CHECK_INT(v.adj, -5);
	done();
}

TEST(numbers_out_of_bounds_or_malformed)
{
	CHECK_ERR(PARSE("--pids-limit", "18446744073709551616"), ERR_USAGE, "--pids-limit");
	CHECK_ERR(PARSE("--pids-limit", "-1"), ERR_USAGE, "--pids-limit");
	CHECK_ERR(PARSE("--pids-limit", "1x"), ERR_USAGE, "not '1x'");
	CHECK_ERR(PARSE("--pids-limit="), ERR_USAGE, "--pids-limit");
	CHECK_ERR(PARSE("--oom-score-adj=-1001"), ERR_USAGE, "--oom-score-adj");
	CHECK_ERR(PARSE("--oom-score-adj=1001"), ERR_USAGE, "--oom-score-adj");
	CHECK_ERR(PARSE("-m", "4095"), ERR_USAGE, "'4095' is below the minimum");
	CHECK_OK(PARSE("-m", "4096"));
	CHECK_OK(PARSE("-m", "1g"));
	CHECK_ERR(PARSE("-m", "1073741825"), ERR_USAGE, "above the maximum");
	CHECK_ERR(PARSE("-m", "plenty"), ERR_USAGE, "--memory");
	CHECK_ERR(PARSE("--cpus", "1.0001"), ERR_USAGE, "--cpus");
	CHECK_ERR(PARSE("--stop-timeout", "soon"), ERR_USAGE, "--stop-timeout");
	CHECK_ERR(PARSE("--weight", "9"), ERR_USAGE, "--weight");
	CHECK_ERR(PARSE("--weight", "1001"), ERR_USAGE, "--weight");
	CHECK_OK(PARSE("--at-least", "18446744073709551615"));
	CHECK_ERR(PARSE("--at-least", "4"), ERR_USAGE, "--at-least");
	done();
}

TEST(a_bound_may_be_zero_or_equal_to_the_other)
{
	static const struct opt bounds[] = {
		{"up-to", 0, OPT_I64, 0, 0, "N", "from nothing", 0, 10},
		{"below", 0, OPT_I64, 0, 0, "N", "to nothing", -10, 0},
		{"exactly", 0, OPT_I64, 0, 0, "N", "one value", 7, 7},
		{"most", 0, OPT_BYTES, 0, 0, "BYTES", "from nothing", 0, 10},
		{NULL},
	};
	static const struct {
		const char *arg;
		bool good;
	} cases[] = {
		{"--up-to=0", true},	{"--up-to=10", true},	{"--up-to=-1", false},
		{"--up-to=11", false},	{"--below=-10", true},	{"--below=0", true},
		{"--below=1", false},	{"--below=-11", false}, {"--exactly=7", true},
		{"--exactly=6", false}, {"--exactly=8", false}, {"--most=0", true},
		{"--most=10", true},	{"--most=11", false},
	};
	int64_t value;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const argv[] = {cases[i].arg};
		int r = opt_parse(bounds, 0, 1, (char *const *)argv, &value, &operands, &help,
				  &err);

		if ((r == 0) != cases[i].good)
			test_fail(__FILE__, __LINE__, "%s", cases[i].arg);
	}
}

TEST(choices)
{
	CHECK_OK(PARSE("--pull", "never"));
	CHECK_INT(v.pull, 2);
	CHECK_ERR(PARSE("--pull", "often"), ERR_USAGE,
		  "--pull must be one of always, missing, never, not 'often'");
	CHECK_INT(v.pull, -1);
	CHECK_ERR(PARSE("--pull="), ERR_USAGE, "--pull");
	done();
}

TEST(refused_options_say_why)
{
	CHECK_ERR(PARSE("--privileged"), ERR_UNSUPPORTED,
		  "--privileged is not supported: name what is needed with --cap-add");
	CHECK_ERR(PARSE("--privileged=true"), ERR_UNSUPPORTED, "--privileged");
	done();
}

TEST(a_missing_value)
{
	CHECK_ERR(PARSE("--name"), ERR_USAGE, "--name needs a value: NAME");
	CHECK_ERR(PARSE("-it", "-n"), ERR_USAGE, "--name needs a value");
	CHECK_ERR(PARSE("-itn"), ERR_USAGE, "--name needs a value");
	done();
}

TEST(unknown_options_and_what_was_meant)
{
	CHECK_ERR(PARSE("--memroy=1g"), ERR_USAGE, "unknown option --memroy");
	CHECK_STR(err.hint, "did you mean --memory?");
	CHECK_ERR(PARSE("--mem", "1g"), ERR_USAGE, "unknown option --mem");
	CHECK_STR(err.hint, "did you mean --memory?");
	CHECK_ERR(PARSE("--xyzzy"), ERR_USAGE, "unknown option --xyzzy");
	CHECK_STR(err.hint, "");
	/* Two names begin with "p", and a refused one is no advice. */
	CHECK_ERR(PARSE("--p"), ERR_USAGE, "--p");
	CHECK_STR(err.hint, "");
	CHECK_ERR(PARSE("--privilegd"), ERR_USAGE, "--privilegd");
	CHECK_STR(err.hint, "");
	CHECK_ERR(PARSE("--=1"), ERR_USAGE, "unknown option --");
	/* As far off as a name of this length may be, and one further. */
	CHECK_ERR(PARSE("--ram"), ERR_USAGE, "--ram");
	CHECK_STR(err.hint, "did you mean --rm?");
	CHECK_ERR(PARSE("--ran"), ERR_USAGE, "--ran");
	CHECK_STR(err.hint, "");
	CHECK_ERR(PARSE("-x"), ERR_USAGE, "unknown option -x");
	CHECK_STR(err.message, "unknown option -x");
	CHECK_ERR(PARSE("-ix"), ERR_USAGE, "unknown option -x in '-ix'");
	CHECK_ERR(PARSE("-rm"), ERR_USAGE, "unknown option -r in '-rm'");
	CHECK_STR(err.hint, "did you mean --rm?");
	CHECK_ERR(PARSE("--\x1b[2J"), ERR_USAGE, "unknown option --?[2J");
	done();
}

TEST(operands)
{
	CHECK_OK(PARSE("a", "-i", "-", "--rm", "b"));
	CHECK(v.interactive && v.rm);
	CHECK_INT(operands.count, 3);
	CHECK_STR(operands.items[1], "-");
	CHECK_STR(operands.items[2], "b");
	CHECK_OK(PARSE("-i", "--", "--rm", "--", "-t"));
	CHECK(v.interactive && !v.rm && !v.tty);
	CHECK_INT(operands.count, 3);
	CHECK_STR(operands.items[0], "--rm");
	CHECK_STR(operands.items[1], "--");
	CHECK_OK(parse(0, 0, NULL));
	CHECK_INT(operands.count, 0);
	CHECK_OK(PARSE(""));
	CHECK_INT(operands.count, 1);
	done();
}

TEST(parsing_can_stop_at_the_first_operand)
{
	CHECK_OK(PARSE_WITH(OPT_STOP_AT_OPERAND, "-i", "image", "ls", "--rm", "--", "-x"));
	CHECK(v.interactive && !v.rm);
	CHECK_INT(operands.count, 5);
	CHECK_STR(operands.items[2], "--rm");
	CHECK_STR(operands.items[3], "--");
	CHECK_OK(PARSE_WITH(OPT_STOP_AT_OPERAND, "-i", "--", "-t", "x"));
	CHECK_STR(operands.items[0], "-t");
	CHECK(!v.tty);
	done();
}

TEST(help_is_no_error)
{
	CHECK_OK(PARSE("-i", "--help", "--no-such-option"));
	CHECK(help && v.interactive);
	CHECK_OK(PARSE("-ih"));
	CHECK(help);
	CHECK_OK(PARSE("-i"));
	CHECK(!help);
	CHECK_OK(PARSE("--", "--help"));
	CHECK(!help);
	CHECK_OK(PARSE_WITH(OPT_STOP_AT_OPERAND, "image", "--help"));
	CHECK(!help);
	done();
}

TEST(a_table_may_use_the_letter_h)
{
	static const struct opt hostname[] = {
		{"hostname", 'h', OPT_STRING, 0, .value_name = "NAME", .help = "its name"}, {NULL}};
	const char *const argv[] = {"-h", "box", "--help"};
	struct strv none = STRV_INIT;
	char *name = NULL;

	CHECK_OK(opt_parse(hostname, 0, 3, (char *const *)argv, &name, &none, &help, &err));
	CHECK_STR(name, "box");
	CHECK(help);
	opt_values_done(hostname, &name);
	CHECK(name == NULL);
}

TEST(help_stays_untouched_on_failure)
{
	const char *const argv[] = {"-x"};

	help = true;
	CHECK_ERR(opt_parse(table, 0, 1, (char *const *)argv, &v, &operands, &help, &err),
		  ERR_USAGE, "-x");
	CHECK(help);
	done();
}

TEST(rows_are_found_by_name)
{
	CHECK(opt_find(table, "memory") == &table[7]);
	CHECK(opt_find(table, "privileged"));
	CHECK(!opt_find(table, "mem"));
	CHECK(!opt_find(table, "memoryy"));
	CHECK(!opt_find(table, ""));
}

static char *help_text(const struct opt *rows, unsigned int width)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CHECK(out);
	opt_print_help(rows, out, width);
	CHECK_INT(fclose(out), 0);
	return text;
}

TEST(the_help_text)
{
	static const struct opt rows[] = {
		{"detach", 'd', OPT_BOOL, 0, .help = "run in the background, exactly fits"},
		{"pull", 0, OPT_CHOICE, 0, .value_name = "WHEN", .help = "ask the registry",
		 .choices = pull_choices},
		{"refused-and-longer-than-most", 0, OPT_REFUSED, 0, .help = "never shown"},
		{"label", 'l', OPT_STRINGS, 0, .value_name = "KEY=VALUE",
		 .help = "attach this to the container, as often as it is given"},
		{"a-very-long-name-of-an-option", 0, OPT_STRING, 0, .value_name = "VALUE",
		 .help = "said on the next line"},
		{NULL},
	};
	own_free char *text = help_text(rows, 60);

	CHECK_STR(text, "Options:\n"
			"  -d, --detach           run in the background, exactly fits\n"
			"      --pull WHEN        ask the registry (always, missing,\n"
			"                         never)\n"
			"  -l, --label KEY=VALUE  attach this to the container, as\n"
			"                         often as it is given\n"
			"      --a-very-long-name-of-an-option VALUE\n"
			"                         said on the next line\n");
}

TEST(a_narrow_terminal_still_gets_every_word)
{
	static const struct opt rows[] = {
		{"x", 0, OPT_BOOL, 0, .help = "one anextraordinarilylongwordwithoutblanks two"},
		{NULL},
	};
	own_free char *text = help_text(rows, 1);

	CHECK_STR(text, "Options:\n"
			"      --x  one\n"
			"           anextraordinarilylongwordwithoutblanks\n"
			"           two\n");
}

TEST_MAIN()
