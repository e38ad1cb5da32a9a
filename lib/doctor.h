/*
 * doctor.h - what is wrong with a database that has our schema, and what to type
 *
 * Each check looks at one subject and adds what it finds: what is wrong, the evidence
 * for it, and a command that sets it right when it is pasted into a shell which can
 * reach the database as we do.  A subject that is well is a finding, too, of severity
 * DOCTOR_OK and without a fix.
 */
#ifndef JOBCTL_DOCTOR_H
#define JOBCTL_DOCTOR_H

#include "pg.h"
#include "sql_files.h"

enum doctor_severity { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_CRITICAL };
extern const char *const doctor_severities[];

struct finding {
	enum doctor_severity severity;
	const char *check;	/* the subject, one word */
	char *what;
	char *evidence;		/* or NULL */
	char *fix;		/* or NULL */
};

struct doctor {
	struct pg *db;
	const char *app, *dbname;	/* how db was opened: pg_open() */
	int64_t held_ms;		/* who holds VACUUM back for longer is reported */
	const struct sql_file *files;	/* the migrations */
	struct finding *v;
	size_t n;
};

/* Each returns -1 if it could not look. */
int doctor_connection(struct doctor *d, struct err *e) MUSTCHECK;
int doctor_clock(struct doctor *d, struct err *e) MUSTCHECK;
int doctor_schema(struct doctor *d, struct err *e) MUSTCHECK;
int doctor_indexes(struct doctor *d, struct err *e) MUSTCHECK;
int doctor_vacuum(struct doctor *d, struct err *e) MUSTCHECK;
int doctor_xmin(struct doctor *d, struct err *e) MUSTCHECK;
int doctor_history(struct doctor *d, struct err *e) MUSTCHECK;
int doctor_workers(struct doctor *d, struct err *e) MUSTCHECK;
void doctor_free(struct doctor *d);

/* For the checks: a finding; what, evidence and fix are taken. */
void doctor_found(struct doctor *d, enum doctor_severity severity, const char *check,
		  char *what, char *evidence, char *fix);
/* A command that runs the SQL, or one of our programs with the words, there; yours. */
char *doctor_psql(const struct doctor *d, const char *fmt, ...) PRINTF(2, 3) MUSTCHECK;
char *doctor_jobctl(const struct doctor *d, const char *program, const char *words) MUSTCHECK;

#endif
