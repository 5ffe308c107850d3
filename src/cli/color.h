/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Colour, for people at a terminal only: where NO_COLOR is set (https://no-color.org), or TERM is "dumb" or
 * not set, and in every pipe and file, the output is plain.
 */
#ifndef INSULA_CLI_COLOR_H
#define INSULA_CLI_COLOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum color { COLOR_NONE, COLOR_HEAD, COLOR_GOOD, COLOR_BUSY, COLOR_BAD, COLOR_HINT };

/* Is it a terminal that understands more than letters? */
bool terminal_can(int fd);
bool color_is_on(FILE *out);
/* The sequence that begins a colour, and the one that ends it: empty where there is to be none. */
const char *color_begin(FILE *out, enum color color);
const char *color_end(FILE *out, enum color color);
/* The n-th of several things that are to be told apart, and the end of that: for whoever knows that there is to be colour. */
const char *color_of_number(size_t n);
const char *color_off(void);

#endif
