/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The man pages beside the tables: every option is documented, with its letter and whether it takes a
 * value, and nothing is that is no option. An option that somebody adds and does not document fails
 * here. That a page says the right things is for people; that it says something is for this.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/own.h"
#include "subjects.h"

#define PAGE_MAX (1u << 20)

static char *read_page(const char *name)
{
	char path[512];
	struct err err = ERR_INIT;
	char *text = NULL;

	snprintf(path, sizeof path, "%s/%s", MAN_DIR, name);
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		BAD("man/%s is missing: every verb has a page", name);
	CHECK_OK(fd_read_all(fd, PAGE_MAX, name, &text, &err));
	return text;
}

/* The lines of a page, or of the part below ".Ss NAME"; the page is cut up. */
static void page_lines(char *page, const char *part, struct strv *lines)
{
	struct err err = ERR_INIT;
	char *save = NULL;
	bool inside = !part;

	for (char *line = strtok_r(page, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (part && (str_starts(line, ".Ss ") || str_starts(line, ".Sh ")))
			inside = str_starts(line, ".Ss ") && str_eq(line + 4, part);
		if (inside)
			CHECK_OK(strv_add(lines, line, &err));
	}
}

struct documented {
	char name[64];
	char letter;
	bool value;
};

/* ".It Fl m , Fl Fl memory Ar bytes"; false for any other line. */
static bool read_item(const char *line, struct documented *ret)
{
	char letter[8] = "";
	int at = 0;

	*ret = (struct documented){0};
	if (sscanf(line, ".It Fl %7s , Fl Fl %63s%n", letter, ret->name, &at) < 2) {
		letter[0] = '\0';
		if (sscanf(line, ".It Fl Fl %63s%n", ret->name, &at) < 1)
			return false;
	}
	ret->letter = letter[0];
	ret->value = strstr(line + at, "Ar ") || strstr(line + at, "Cm ");
	return true;
}

static void lines_of(const struct subject *s, const char *name, struct strv *lines)
{
	own_free char *page = read_page(name);

	page_lines(page, s->part, lines);
	if (!lines->count)
		BAD("man/%s has no part '.Ss %s'", name, s->part);
}

/* A refused option is named, so that one who looks for it finds it, and is no item; another name as well. */
static void find_mention(const struct strv *lines, const struct opt *row)
{
	char mention[80];

	snprintf(mention, sizeof mention, "Fl Fl %s", row->name);
	for (size_t i = 0; i < lines->count; i++) {
		const char *found = strstr(lines->items[i], mention);

		if (found && !isalpha((unsigned char)found[strlen(mention)]) &&
		    found[strlen(mention)] != '-')
			return;
	}
	BAD("the man page does not mention it");
}

static void find_in_page(const struct subject *s, const struct opt *row)
{
	own(strv) struct strv lines = STRV_INIT;
	struct documented item;

	lines_of(s, s->options_page, &lines);
	if (row->type == OPT_REFUSED || row->other_name) {
		find_mention(&lines, row);
		return;
	}
	for (size_t i = 0; i < lines.count; i++) {
		if (!read_item(lines.items[i], &item) || !str_eq(item.name, row->name))
			continue;
		if (item.letter != row->letter)
			BAD("man/%s gives it another letter", s->options_page);
		if (item.value != takes_value(row))
			BAD("man/%s is wrong about whether it takes a value", s->options_page);
		return;
	}
	BAD("man/%s does not document it: '.It Fl Fl %s'", s->options_page, row->name);
}

TEST(every_option_is_in_the_man_page)
{
	each_row(find_in_page);
}

static void find_in_table(const struct subject *s)
{
	own(strv) struct strv lines = STRV_INIT;
	struct documented item;

	lines_of(s, s->page, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		if (!read_item(lines.items[i], &item))
			continue;
		const struct opt *row = opt_find(s->table, item.name);
		if (!row || row->type == OPT_REFUSED)
			BAD("man/%s documents --%s, which is no option", s->page, item.name);
	}
}

TEST(man_pages_document_no_other_options)
{
	each_subject(find_in_table);
}

/* The page says in its first line what the list of verbs says; and so does the page of the whole. */
static void same_summary(const struct subject *s)
{
	own_free char *page = read_page(s->page);
	own_free char *whole = read_page("insula.1");
	char summary[200];

	if (!s->help)
		return;
	snprintf(summary, sizeof summary, ".Nd %s\n", s->help);
	if (!strstr(page, summary))
		BAD("man/%s is not '%.*s'", s->page, (int)strlen(summary) - 1, summary);
	snprintf(summary, sizeof summary, ".It Cm %s\n%c%s:\n", strrchr(s->name, ' ') + 1,
		 toupper((unsigned char)s->help[0]), s->help + 1);
	if (!strstr(whole, summary))
		BAD("man/insula.1 does not list it as '%s'", summary);
}

TEST(every_verb_is_described_alike)
{
	each_subject(same_summary);
}

/* insula-VERB.1 of a verb that is no more would stay for ever. */
TEST(every_page_has_its_verb)
{
	own_dir DIR *dir = opendir(MAN_DIR);
	size_t pages = 0;

	CHECK(dir);
	find_subjects();
	for (struct dirent *e; (e = readdir(dir));) {
		bool found = false;

		if (!str_starts(e->d_name, "insula") || !str_ends(e->d_name, ".1"))
			continue;
		pages++;
		for (size_t i = 0; i < subject_count; i++)
			found = found || str_eq(subjects[i].page, e->d_name);
		if (!found)
			test_fail(__FILE__, __LINE__, "man/%s is the page of no verb", e->d_name);
	}
	CHECK(pages > 8);
}

TEST_MAIN()
