/*
 * pg_session.c - other sessions, and whose lock keeps one waiting
 *
 * Of a session of another user all but its names may be hidden from us, and what is no
 * client, such as autovacuum, has none.
 */
#include "pg.h"

#include <stdio.h>

#include "parse.h"
#include "str.h"

enum { S_PID, S_TYPE, S_USER, S_APPLICATION, S_CLIENT, S_STATE, S_AGE, S_QUERY };

void
pg_put_session(struct str *s, const PGresult *res, int row, int col)
{
	static const struct {
		int cell;
		const char *before, *after;
	} parts[] = {
		{ S_TYPE, "", "" }, { S_USER, "user ", "" }, { S_APPLICATION, "application \"", "\"" },
		{ S_CLIENT, "client ", "" }, { S_STATE, "", "" },
	};
	const char *comma = " (", *query = pg_get(res, row, col + S_QUERY);
	char age[32];

	str_putf(s, "pid %s", pg_get(res, row, col + S_PID));
	for (size_t i = 0; i < NELEM(parts); i++) {
		const char *z = pg_get(res, row, col + parts[i].cell);

		if (!*z)
			continue;
		str_putf(s, "%s%s%s%s", comma, parts[i].before, z, parts[i].after);
		comma = ", ";
	}
	str_puts(s, *comma == ',' ? ")" : "");
	if (pg_get_or_null(res, row, col + S_AGE)) {
		duration_text(pg_get_double(res, row, col + S_AGE), age);
		str_putf(s, ", in a transaction for %s", age);
	}
	if (*query)
		str_putf(s, ", last said: %s", query);
}

/*
 * Behind a pooler our pid is not the server's: then the name, or that it waits, is not
 * this session's.
 */
static const char blocker_sql[] =
	"SELECT coalesce(l.what, 'something'), b.pid, " PG_SESSION
	" FROM pg_catalog.pg_stat_activity us,"
	" pg_catalog.unnest(pg_catalog.pg_blocking_pids(us.pid)) b(pid)"
	" LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid"
	" LEFT JOIN LATERAL (SELECT pg_catalog.concat('table ', n.nspname, '.', c.relname) AS what"
	"  FROM pg_catalog.pg_locks JOIN pg_catalog.pg_class c ON c.oid = relation"
	"  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	"  WHERE pid = us.pid AND NOT granted AND locktype = 'relation' LIMIT 1) l ON true"
	" WHERE us.pid = $1 AND us.application_name = $2 AND us.wait_event_type = 'Lock'"
	" ORDER BY a.xact_start LIMIT 1";

int
pg_blocker(struct pg *other, PGconn *waiting, struct pg_blocker *ret, struct err *e)
{
	AUTOSTR who = STR(sizeof ret->who - 1);
	PG_RES res = NULL;
	int n;

	n = pg_call(other, &res, blocker_sql,
		    PG_ARGS(pg_i32(PQbackendPID(waiting)),
			    pg_text(PQparameterStatus(waiting, "application_name"))), e);
	if (n <= 0)
		return n;
	ret->pid = pg_get_i64(res, 0, 1);
	if (ret->pid)
		pg_put_session(&who, res, 0, 2);
	else
		str_puts(&who, "a prepared transaction (pg_prepared_xacts lists them)");
	snprintf(ret->what, sizeof ret->what, "%s", pg_get(res, 0, 0));
	snprintf(ret->who, sizeof ret->who, "%s", who.buf);
	return 1;
}
