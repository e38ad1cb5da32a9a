/*
 * store.c - the calls of catalog.* that write
 */
#include "catalog/store.h"

#include <poll.h>
#include <string.h>

enum { ASK_AGAIN_MS = 100 };

static struct pg_val
text(const char *p, size_t n)
{
	struct pg_val v = pg_text("");

	v.ptr = p;
	v.len = (int)n;
	return v;
}

static void
batch_reset(struct batch *b)
{
	struct pg_array *const all[] = {
		&b->path, &b->hash, &b->size, &b->time, &b->language, &b->file_of, &b->content,
		&b->start, &b->end, &b->type, &b->symbol, &b->words, &b->partial,
	};

	for (size_t i = 0; i < NELEM(all); i++)
		pg_array_reset(all[i]);
	b->nfiles = b->nchunks = 0;
	b->bytes = 0;
}

static void
batch_free(struct batch *b)
{
	struct pg_array *const all[] = {
		&b->path, &b->hash, &b->size, &b->time, &b->language, &b->file_of, &b->content,
		&b->start, &b->end, &b->type, &b->symbol, &b->words, &b->partial,
	};

	for (size_t i = 0; i < NELEM(all); i++)
		pg_array_free(all[i]);
}

static void
add_text(struct pg_array *a, const char *z)
{
	if (z)
		pg_array_add(a, pg_text(z));
	else
		pg_array_add_null(a, pg_text(""));
}

static void
add_time(struct pg_array *a, int64_t us)
{
	if (us == NEVER)
		pg_array_add_null(a, pg_time(0));
	else
		pg_array_add(a, pg_time(us));
}

static void
get_unchanged(struct run *r, const PGresult *res)
{
	const char *listing = pg_get(res, 0, 3);

	r->listed = strlen(listing) == sizeof r->unchanged.listing - 1;
	if (!r->listed)
		return;
	memcpy(r->unchanged.listing, listing, sizeof r->unchanged.listing);
	r->unchanged.files = pg_get_i64(res, 0, 4);
	r->unchanged.binaries = pg_get_i64(res, 0, 5);
	r->since = pg_get_i64(res, 0, 6);
}

int
run_begin(struct run *r, const char *project, const char *path, const char *name, bool force,
	  bool make, int64_t wait_ms, struct err *e)
{
	static const char sql[] = "SELECT repository, indexed, redo, listing, files, binaries, "
				  "since "
				  "FROM catalog.begin_index($1, $2, $3, $4, $5, $6)";
	int64_t deadline = deadline_in(wait_ms);
	PG_RES res = NULL;

	r->token = uuid_random();
	for (;;) {
		int rows = pg_call(r->db, &res, sql,
				   PG_ARGS(pg_text(project), pg_text(path), pg_text(name),
					   pg_uuid(&r->token), pg_bool(force),
					   pg_bool(make)), e);

		if (rows >= 0)
			break;
		/* a run that was killed holds it until the server has noticed */
		if (strcmp(e->sqlstate, "JC075") != 0 || now_ms() >= deadline)
			return -1;
		poll(NULL, 0, ASK_AGAIN_MS);
	}
	if (!pg_get_or_null(res, 0, 0))
		return 0;
	r->begun = true;
	r->indexed = pg_get_bool(res, 0, 1);
	r->redo = pg_get_bool(res, 0, 2);
	get_unchanged(r, res);
	return uuid_parse(pg_get(res, 0, 0), &r->repository, e);
}

void
run_free(struct run *r)
{
	for (int i = 0; i < STORE_STREAMS; i++)
		if (pipe_is_open(&r->stream[i].pipe))
			pipe_close(&r->stream[i].pipe, &r->err);
	batch_free(&r->batch);
	batch_free(&r->asked);
	batch_free(&r->touched);
	batch_free(&r->gone);
	batch_free(&r->binary);
}

static void
list_file(struct batch *l, const char *path, int64_t size, int64_t time_us)
{
	pg_array_add(&l->path, pg_text(path));
	pg_array_add(&l->size, pg_i64(size));
	add_time(&l->time, time_us);
	l->nfiles++;
}

int
run_list(struct run *r, PGresult **res, bool binary, const char *after, int64_t max,
	 struct err *e)
{
	static const char sql[] = "SELECT path, size, time "
				  "FROM catalog.list_files($1, $2, $3, $4, $5)";

	return pg_call(r->db, res, sql,
		       PG_ARGS(pg_uuid(&r->repository), pg_uuid(&r->token), pg_bool(binary),
			       pg_text(after), pg_i64(max)), e);
}

void
run_ask_add(struct run *r, const char *path)
{
	pg_array_add(&r->asked.path, pg_text(path));
	r->asked.nfiles++;
}

int
run_hashes(struct run *r, PGresult **res, struct err *e)
{
	static const char sql[] = "SELECT content_hash FROM catalog.file_hashes($1, $2, $3) "
				  "ORDER BY place";
	int rows = pg_call(r->db, res, sql,
			   PG_ARGS(pg_uuid(&r->repository), pg_uuid(&r->token),
				   pg_array(&r->asked.path, pg_text(""))), e);

	batch_reset(&r->asked);
	return rows;
}

/* One of the calls that take a list of files; what it returns is how many are gone. */
static int
send_list(struct run *r, const char *sql, int nargs, struct batch *l, struct err *e)
{
	const struct pg_val args[] = {
		pg_uuid(&r->repository), pg_uuid(&r->token), pg_array(&l->path, pg_text("")),
		pg_array(&l->size, pg_i64(0)), pg_array(&l->time, pg_time(0)),
	};
	PG_RES res = NULL;
	int rows = l->nfiles ? pg_call(r->db, &res, sql, args, nargs, e) : 0;

	batch_reset(l);
	if (rows < 0)
		return -1;
	r->deleted += res ? pg_get_i64(res, 0, 0) : 0;
	return 0;
}

static int
send_lists(struct run *r, int enough, struct err *e)
{
	static const char touch[] = "SELECT catalog.touch_files($1, $2, $3, $4, $5)";
	static const char binary[] = "SELECT catalog.note_binaries($1, $2, $3, $4, $5)";
	static const char forget[] = "SELECT catalog.forget_files($1, $2, $3)";

	if ((r->touched.nfiles >= enough && send_list(r, touch, 5, &r->touched, e)) ||
	    (r->binary.nfiles >= enough && send_list(r, binary, 5, &r->binary, e)) ||
	    (r->gone.nfiles >= enough && send_list(r, forget, 3, &r->gone, e)))
		return -1;
	return 0;
}

int
run_touch(struct run *r, const char *path, int64_t size, int64_t time_us, struct err *e)
{
	list_file(&r->touched, path, size, time_us);
	return send_lists(r, STORE_LIST, e);
}

int
run_binary(struct run *r, const char *path, int64_t size, int64_t time_us, struct err *e)
{
	list_file(&r->binary, path, size, time_us);
	return send_lists(r, STORE_LIST, e);
}

int
run_forget(struct run *r, const char *path, struct err *e)
{
	list_file(&r->gone, path, 0, NEVER);
	return send_lists(r, STORE_LIST, e);
}

static void
stored(void *ctx, const PGresult *res, const struct err *e)
{
	struct stream *s = ctx;

	(void)res;
	if (e) {
		if (s->run->err.kind == ERR_NONE)
			s->run->err = *e;
		return;
	}
	s->run->files += s->nfiles;
	s->run->chunks += s->nchunks;
}

/* Let the streams work until one of them is idle, or all are; -1 if a batch failed. */
static int
wait_streams(struct run *r, bool all, struct err *e)
{
	for (;;) {
		struct pollfd p[STORE_STREAMS];
		struct pg *db = NULL;
		int busy = 0;

		for (int i = 0; i < STORE_STREAMS; i++) {
			struct pipe *pipe = &r->stream[i].pipe;
			int64_t deadline;

			p[i] = (struct pollfd){ .fd = -1 };
			if (pipe_is_open(pipe) && pipe->ncalls) {
				p[i].fd = pipe_fd(pipe, &p[i].events, &deadline);
				db = &pipe->db;
				busy++;
			}
		}
		if (r->err.kind != ERR_NONE) {
			*e = r->err;
			return -1;
		}
		if (!busy || (!all && busy < STORE_STREAMS))
			return 0;
		if (pg_poll(db, p, STORE_STREAMS, NEVER, e) < 0)
			return -1;
		for (int i = 0; i < STORE_STREAMS; i++)
			if (p[i].fd >= 0 && p[i].revents)
				pipe_run(&r->stream[i].pipe, p[i].revents & ~POLLOUT);
	}
}

/* An idle stream, connected; NULL if there is none and none can be had. */
static struct stream *
idle_stream(struct run *r, struct err *e)
{
	struct pg db = PG_INIT;

	for (int i = 0; i < STORE_STREAMS; i++) {
		struct stream *s = &r->stream[i];

		if (pipe_is_open(&s->pipe) && !s->pipe.ncalls)
			return s;
	}
	for (int i = 0; i < STORE_STREAMS; i++) {
		struct stream *s = &r->stream[i];

		if (pipe_is_open(&s->pipe))
			continue;
		s->run = r;
		s->pipe = (struct pipe)PIPE_INIT;
		if (pg_connect(&db, r->app, r->dbname, e) || pipe_open(&s->pipe, &db, e))
			return NULL;
		return s;
	}
	return NULL;
}

/* Send all there is to send: the server should be at work while we prepare more. */
static int
push_out(struct stream *s, struct err *e)
{
	for (;;) {
		struct pollfd p = { .fd = -1 };
		int64_t deadline;

		p.fd = pipe_fd(&s->pipe, &p.events, &deadline);
		if (p.fd < 0 || !(p.events & POLLOUT))
			return 0;
		if (pg_poll(&s->pipe.db, &p, 1, NEVER, e) < 0)
			return -1;
		pipe_run(&s->pipe, p.revents & ~POLLOUT);
	}
}

static int
send_batch(struct run *r, struct err *e)
{
	static const char sql[] = "SELECT catalog.store_files($1, $2, $3, $4, $5, $6, $7, "
				  "$8, $9, $10, $11, $12, $13, $14, $15)";
	struct batch *b = &r->batch;
	struct stream *s;

	if (!b->nfiles)
		return 0;
	if (wait_streams(r, false, e))
		return -1;
	s = idle_stream(r, e);
	if (!s)
		return -1;
	s->nfiles = b->nfiles;
	s->nchunks = b->nchunks;
	pipe_call(&s->pipe, NEVER, sql,
		  PG_ARGS(pg_uuid(&r->repository), pg_uuid(&r->token),
			  pg_array(&b->path, pg_text("")), pg_array(&b->hash, pg_text("")),
			  pg_array(&b->size, pg_i64(0)), pg_array(&b->time, pg_time(0)),
			  pg_array(&b->language, pg_text("")), pg_array(&b->file_of, pg_i32(0)),
			  pg_array(&b->content, pg_text("")), pg_array(&b->start, pg_i32(0)),
			  pg_array(&b->end, pg_i32(0)), pg_array(&b->type, pg_text("")),
			  pg_array(&b->symbol, pg_text("")), pg_array(&b->words, pg_text("")),
			  pg_array(&b->partial, pg_bool(false))), stored, s);
	batch_reset(b);
	return push_out(s, e);
}

int
run_store(struct run *r, const struct stored_file *f, const char *content,
	  const struct chunk *chunks, int nchunks, struct err *e)
{
	struct batch *b = &r->batch;

	add_text(&b->path, f->path);
	add_text(&b->hash, f->hash);
	pg_array_add(&b->size, pg_i64(f->size));
	add_time(&b->time, f->time_us);
	add_text(&b->language, f->lang ? f->lang->name : NULL);
	b->nfiles++;
	for (int i = 0; i < nchunks; i++) {
		const struct chunk *c = &chunks[i];

		pg_array_add(&b->file_of, pg_i32(b->nfiles));
		pg_array_add(&b->content, text(content + c->off, c->len));
		pg_array_add(&b->start, pg_i32(c->start));
		pg_array_add(&b->end, pg_i32(c->end));
		add_text(&b->type, chunk_type_name(c->type));
		if (c->symlen)
			pg_array_add(&b->symbol, text(content + c->sym, c->symlen));
		else
			pg_array_add_null(&b->symbol, pg_text(""));
		add_text(&b->words, i == 0 ? f->words : NULL);
		pg_array_add(&b->partial, pg_bool(i == 0 && f->partial));
		b->bytes += c->len;
	}
	b->nchunks += nchunks;
	if (b->nfiles < STORE_BATCH_FILES && b->bytes < STORE_BATCH_BYTES)
		return 0;
	return send_batch(r, e);
}

int
run_flush(struct run *r, struct err *e)
{
	if (send_batch(r, e) || send_lists(r, 1, e))
		return -1;
	return wait_streams(r, true, e);
}

int
run_end(struct run *r, const char *commit, const struct unchanged *u, struct err *e)
{
	static const char sql[] = "SELECT catalog.end_index($1, $2, $3, $4, $5, $6)";
	static const char settle[] = "SELECT catalog.settle_words()";

	if (r->files && pg_call(r->db, NULL, settle, PG_NOARGS, e) < 0)
		return -1;
	if (pg_call(r->db, NULL, sql,
		    PG_ARGS(pg_uuid(&r->repository), pg_uuid(&r->token),
			    pg_text(*commit ? commit : NULL),
			    pg_text(u ? u->listing : NULL),
			    u ? pg_i64(u->files) : pg_null(),
			    u ? pg_i64(u->binaries) : pg_null()), e) < 0)
		return -1;
	r->begun = false;
	return 0;
}
