/* SPDX-License-Identifier: MIT */
/* What the files of the copatch command share. */
#ifndef COPATCH_LAUNCH_H
#define COPATCH_LAUNCH_H

#include <stdbool.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>

/* As env(1) and the shells have them. */
#define EXIT_COPATCH    125 /* copatch itself failed */
#define EXIT_CANNOT_RUN 126 /* the program is there but cannot be run */
#define EXIT_NOT_FOUND  127

#define EXIT_PROCEED (-1) /* nothing has failed so far */

/* Room for a reason that names two files. */
#define MESSAGE_MAX (2 * PATH_MAX + 512)

/* One line on stderr, after "copatch: ". */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What a file's name may hold and a terminal would obey becomes question marks. */
void say_clean(char *line);
/* A message without such characters. */
void say_line(char line[MESSAGE_MAX], const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* options.c */
int options_read(char **args, int *used);
int options_check_env(char *const *env);
void options_print_help(void);

/* library.c */
/* A file of ours that is not for users: beside the command, or in its lib folder. */
int beside_find(const char *name, char *path, size_t size);
int library_find(char *path, size_t size);

/* preload.c */
size_t preload_join(char *joined, size_t size, const char *library, const char *old);
int preload_has_copatch(const char *list);

/* kernel.c */
/* False, after one line that says why: the program can only run natively. */
bool kernel_usable(const char *program);
int kernel_dispatch_error(void);
/* Tries it, in a child. */
bool kernel_dispatch_works(void);

/* run.c */
int run_command(char **args);
/* report.c */
int report_command(char **args);

/* doctor.c */
int doctor_command(char **args);

/* eyes.c */
int ps_command(char **args);
int top_command(char **args);

#endif
