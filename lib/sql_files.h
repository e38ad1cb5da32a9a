/*
 * sql_files.h - the SQL files compiled in by tools/embed-sql
 *
 * Only programs that link gen/sql_files.o have them; the library takes them as
 * an argument.
 */
#ifndef JOBCTL_SQL_FILES_H
#define JOBCTL_SQL_FILES_H

#include <stddef.h>

struct sql_file {
	const char *set;	/* NULL ends the list */
	const char *name;	/* "0001_tenancy.up.sql", "api/claim.sql" */
	const char *text;
	size_t len;
};

extern const struct sql_file sql_files[];
extern const char *const sql_sets[];	/* in order of dependency, NULL-terminated */

#endif
