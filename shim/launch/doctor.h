/* SPDX-License-Identifier: MIT */
/* copatch doctor: findings, and the verdict that they come to. */
#ifndef COPATCH_LAUNCH_DOCTOR_H
#define COPATCH_LAUNCH_DOCTOR_H

#include "launch.h"

struct doctor {
	bool side;  /* there is a decoder for the side door */
	int status; /* EXIT_PROCEED, or what copatch run would exit with */
	char reason[MESSAGE_MAX];
	char limits[8192]; /* "first; second"; empty: none */
};

/* A line of the report. NAME may be empty. */
void doctor_fact(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The program runs, but. Each is said once. */
void doctor_limit(struct doctor *doctor, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The program does not run. The first reason counts. */
void doctor_refuse(struct doctor *doctor, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* doctor_machine.c */
void doctor_machine(struct doctor *doctor);

/* doctor_program.c */
void doctor_program(struct doctor *doctor, const char *program);

#endif
