/*
 * index.c - finding out what changed, reading it, storing it
 */
#include "catalog/index.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "catalog/store.h"
#include "catalog/stored.h"
#include "catalog/text.h"
#include "catalog/tree.h"
#include "catalog/words.h"

enum {
	WORDS_BYTES = 512 * 1024,	/* of a file's word list; a tsvector holds 1 MB */
	PATH_BYTES = 2000,		/* a btree entry holds 2,704 */
	TICK_US = 20000,
	COARSE_US = 2000000,
	HASH_BYTES = 32,
};

struct digest {
	unsigned char b[HASH_BYTES];
};

/* In the temporary file: a file to look into, its path after it. */
struct item {
	int64_t size;
	struct digest hash;	/* of what is stored */
	bool known, has_hash;
	uint16_t len;		/* of the path */
};

struct indexer {
	struct index_job *job;
	struct tree tree;
	struct run run;
	/* of each file that is to be in the catalog a tree_file, the path after it; NUL */
	struct str list;
	bool unchanged;		/* the list is that of the last run */
	int64_t nfiles;		/* listed, whether or not they are to be in the catalog */
	FILE *todo;
	int64_t ntodo;
	struct stored_set stored;
	struct str names;	/* of files whose hashes are to be asked for, each ended by NUL */
	int64_t *sizes;
	EVP_MD_CTX *md;
	char *buf;
	size_t buf_cap;
	struct str text, path;
	struct words words;
	struct chunker chunker;
};

static int
sha256(struct indexer *x, const void *p, size_t n, struct digest *d, struct err *e)
{
	if (EVP_DigestInit_ex(x->md, EVP_sha256(), NULL) && EVP_DigestUpdate(x->md, p, n) &&
	    EVP_DigestFinal_ex(x->md, d->b, NULL))
		return 0;
	return err_set(e, ERR_SOFTWARE, "SHA-256 failed");
}

static void
hex(const struct digest *d, char z[2 * HASH_BYTES + 1])
{
	for (int i = 0; i < HASH_BYTES; i++)
		snprintf(z + 2 * i, 3, "%02x", d->b[i]);
}

static void
note_unreadable(struct indexer *x, const char *path, size_t n)
{
	str_add(&x->job->unreadable, path, n);
	str_putc(&x->job->unreadable, '\n');
	x->job->stats.unreadable++;
}

static void
say(struct indexer *x, const char *text)
{
	snprintf(x->job->said, sizeof x->job->said, "%s", text);
	if (x->job->message)
		x->job->message(x->job->ctx, x->job->said);
}

static void
report(struct indexer *x, int64_t done)
{
	struct index_stats *st = &x->job->stats;

	st->indexed = x->run.files;
	st->chunks = x->run.chunks;
	st->deleted = x->run.deleted;
	if (x->job->progress)
		x->job->progress(x->job->ctx, done, x->ntodo, st);
}

/* The database has checked that it is one. */
static void
from_hex(struct digest *d, const char *z)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < HASH_BYTES; i++)
		d->b[i] = (unsigned char)((strchr(digits, z[2 * i]) - digits) << 4 |
					  (strchr(digits, z[2 * i + 1]) - digits));
}

static int
put_todo(struct indexer *x, const char *path, int64_t size, bool known, const char *hash,
	 struct err *e)
{
	struct item it = { .size = size, .known = known, .len = (uint16_t)strlen(path) };

	if (hash) {
		it.has_hash = true;
		from_hex(&it.hash, hash);
	}
	x->ntodo++;
	if (fwrite(&it, sizeof it, 1, x->todo) != 1 ||
	    fwrite(path, 1, it.len, x->todo) != it.len)
		return err_sys(e, ERR_IO, "cannot write a temporary file");
	return 0;
}

/* Begin the run, unless make is not set and the catalog does not know this tree. */
static int
begin(struct indexer *x, bool make, struct err *e)
{
	struct index_job *job = x->job;

	if (x->run.begun)
		return 0;
	if (run_begin(&x->run, job->project, job->repo_path, job->repo_name, job->force, make,
		      job->wait_ms, e))
		return -1;
	if (!x->run.begun)
		return 0;
	job->repository = x->run.repository;
	return 0;
}

/* Ask for the hashes of the files that have changed; they are put to do. */
static int
ask(struct indexer *x, struct err *e)
{
	const char *name = x->names.buf;
	int rows = x->run.asked.nfiles;
	PG_RES res = NULL;

	if (!rows)
		return 0;
	rows = run_hashes(&x->run, &res, e);
	if (rows < 0)
		return -1;
	for (int i = 0; i < rows; i++) {
		if (put_todo(x, name, x->sizes[i], true, pg_get_or_null(res, i, 0), e))
			return -1;
		name += strlen(name) + 1;
	}
	str_reset(&x->names);
	return 0;
}

/* Take down what git lists; what is known of it is looked up when all is there. */
static int
found(void *ctx, const char *path, const struct tree_file *file, struct err *e)
{
	struct indexer *x = ctx;
	size_t n = strlen(path);

	if (n > PATH_BYTES / 5) {	/* a byte of a name is stored as four at most */
		str_reset(&x->path);
		text_put_path(&x->path, path);
		if (x->path.len > PATH_BYTES) {
			x->job->stats.other++;
			return 0;
		}
	}
	x->nfiles++;
	if (begin(x, true, e))
		return -1;
	if (file->size > x->job->max_size) {
		x->job->stats.large++;	/* one that was stored is found to be gone */
		return 0;
	}
	str_add(&x->list, (const char *)file, sizeof *file);
	str_add(&x->list, path, n + 1);
	return 0;
}

/* Hold a file against what is stored of it. */
static int
compare(struct indexer *x, const char *path, const struct tree_file *file, struct err *e)
{
	struct stored *f;

	str_reset(&x->path);
	text_put_path(&x->path, path);
	f = stored_find(&x->stored, x->path.buf);
	if (f)
		f->listed = true;
	if (f && stored_is(f, file)) {
		x->job->stats.files += !f->binary;
		x->job->stats.binary += f->binary;
		return 0;
	}
	x->job->stats.files++;
	if (!f || f->binary)
		return put_todo(x, path, file->size, f != NULL, NULL, e);
	x->sizes[x->run.asked.nfiles] = file->size;
	str_add(&x->names, path, strlen(path) + 1);
	run_ask_add(&x->run, x->path.buf);
	return x->run.asked.nfiles < STORE_LIST ? 0 : ask(x, e);
}

static int
compare_all(struct indexer *x, struct err *e)
{
	const char *p = x->list.buf, *end = p + x->list.len;

	while (p < end) {
		struct tree_file file;

		memcpy(&file, p, sizeof file);
		p += sizeof file;
		if (compare(x, p, &file, e))
			return -1;
		p += strlen(p) + 1;
	}
	return ask(x, e);
}

static int
sum_up(struct indexer *x, struct unchanged *u, struct err *e)
{
	struct digest d;

	if (sha256(x, x->list.buf, x->list.len, &d, e))
		return -1;
	hex(&d, u->listing);
	u->files = x->job->stats.files;
	u->binaries = x->job->stats.binary;
	return 0;
}

/*
 * Whether the tree is what the last run found unchanged: then the catalog's list of it
 * need not be read, which is more than half of the server's work.
 */
static int
see_unchanged(struct indexer *x, struct err *e)
{
	const struct unchanged *last = &x->run.unchanged;
	struct unchanged now;

	if (!x->run.listed || x->tree.closed)
		return 0;
	if (sum_up(x, &now, e))
		return -1;
	x->unchanged = !strcmp(now.listing, last->listing);
	if (x->unchanged) {
		x->job->stats.files = last->files;
		x->job->stats.binary = last->binaries;
	}
	return 0;
}

static int
nothing_there(struct indexer *x, struct err *e)
{
	(void)err_set(e, ERR_DATA, "there are no files to index in %s", x->job->repo_path);
	if (*x->tree.commit)
		err_hint(e, "git ignores whatever is in there");
	else
		err_hint(e, "the directory is empty, or all of it is ignored");
	return -1;
}

static int
scan(struct indexer *x, struct err *e)
{
	if (begin(x, false, e))
		return -1;
	/* git has to walk through the tree first: meanwhile see what is known of it */
	tree_look_ahead(&x->tree);
	if (x->tree.newest >= x->run.since)
		x->run.listed = false;	/* something must have changed */
	if (x->run.begun && !x->run.listed && stored_load(&x->stored, &x->run, e))
		return -1;
	if (tree_list(&x->tree, found, x, e))
		return -1;
	x->job->stats.other += x->tree.others;
	memcpy(x->job->commit, x->tree.commit, sizeof x->job->commit);
	for (const char *z = x->tree.closed_names.buf; *z; z += strcspn(z, "\n") + 1)
		note_unreadable(x, z, strcspn(z, "\n"));
	if (!x->nfiles)
		return nothing_there(x, e);
	if (see_unchanged(x, e))
		return -1;
	if (x->unchanged)
		return 0;
	if (x->run.listed && stored_load(&x->stored, &x->run, e))
		return -1;
	return compare_all(x, e);
}

/* Forget the stored files that were not listed. */
static int
find_gone(struct indexer *x, struct err *e)
{
	/* what git could not read it did not list: that is no sign of being gone */
	if (x->tree.closed)
		return 0;
	for (size_t i = 0; i < x->stored.n; i++) {
		const struct stored *f = &x->stored.v[i];

		if (!f->listed && run_forget(&x->run, stored_path(&x->stored, f), e))
			return -1;
	}
	return run_flush(&x->run, e);
}

/* What a run is called before its files are read. */
static void
announce(struct indexer *x)
{
	AUTOSTR s = STR(70);
	int64_t n = x->ntodo + x->run.deleted;

	if (!x->run.indexed)
		str_puts(&s, "full index");
	else if (x->job->force || x->run.redo)
		str_puts(&s, "forced re-index");
	else if (n)
		str_putf(&s, "incremental update with %lld files", (long long)n);
	else
		str_puts(&s, "up to date");
	say(x, s.buf);
}

/*
 * A file written in the clock tick in which it is read could be written again
 * without its time changing.  Its time is then stored as a bit earlier, so that
 * the next run looks into it.
 */
static int64_t
time_to_store(const struct stat *st)
{
	int64_t t = tree_time_us(st), now;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
	/* some filesystems count in whole or even seconds */
	if (now - t < (st->st_mtim.tv_nsec ? TICK_US : COARSE_US) && t - now < COARSE_US)
		return t - 1;
	return t;
}

/* Read up to max + 1 bytes; how many, or -1. */
static ssize_t
read_file(struct indexer *x, int fd, size_t expected, size_t max)
{
	size_t n = 0;

	if (expected > max)
		expected = max;
	for (;;) {
		ssize_t got;

		if (n + expected + 1 > x->buf_cap || n == x->buf_cap) {
			x->buf_cap = (n + expected + 1) * 2;
			x->buf = xrealloc(x->buf, x->buf_cap);
		}
		got = read(fd, x->buf + n, (x->buf_cap < max + 1 ? x->buf_cap : max + 1) - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		n += (size_t)got;
		if (!got || n > max)
			return (ssize_t)n;
		expected = 0;
	}
}

/* A file whose bytes are in buf. */
static int
index_text(struct indexer *x, const struct item *it, const char *path, const struct stat *st,
	   size_t n, struct err *e)
{
	struct stored_file f = {
		.path = x->path.buf, .size = (int64_t)n, .time_us = time_to_store(st),
	};
	char hash[2 * HASH_BYTES + 1];
	struct digest d;
	const char *text;
	size_t len;

	if (sha256(x, x->buf, n, &d, e))
		return -1;
	if (it->has_hash && !memcmp(&d, &it->hash, sizeof d))
		return run_touch(&x->run, f.path, f.size, f.time_us, e);
	hex(&d, hash);
	f.hash = hash;
	text = text_decode(&x->text, x->buf, n, &len);
	f.lang = lang_find(path, text, len);
	chunk_text(&x->chunker, f.lang, text, len);
	words_reset(&x->words);
	words_add(&x->words, text, len);
	f.words = words_list(&x->words);
	f.partial = x->words.partial;
	return run_store(&x->run, &f, text, x->chunker.v, x->chunker.count, e);
}

/* A file that cannot be read is a file all the same. */
static int
index_unreadable(struct indexer *x, const struct item *it, const char *path, struct err *e)
{
	struct stored_file f = { .path = x->path.buf, .size = it->size, .time_us = NEVER };

	note_unreadable(x, path, strlen(path));
	if (it->known && !it->has_hash)		/* as it was */
		return 0;
	f.lang = lang_find(path, "", 0);
	return run_store(&x->run, &f, "", NULL, 0, e);
}

/* One that is not indexed, and was perhaps before. */
static int
skip(struct indexer *x, const struct item *it, int64_t *counter, struct err *e)
{
	x->job->stats.files--;
	if (counter)
		++*counter;
	return it->known ? run_forget(&x->run, x->path.buf, e) : 0;
}

static int
index_file(struct indexer *x, const struct item *it, const char *path, struct err *e)
{
	struct index_stats *stats = &x->job->stats;
	size_t max = (size_t)x->job->max_size;
	struct stat st;
	AUTOFD fd = tree_open_file(&x->tree, path, &st);
	ssize_t n;

	str_reset(&x->path);
	text_put_path(&x->path, path);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return skip(x, it, NULL, e);
	if (fd < 0 && errno == ENOTSUP)
		return skip(x, it, &stats->other, e);
	if (fd < 0)
		return index_unreadable(x, it, path, e);
	if (st.st_size > (off_t)max)
		return skip(x, it, &stats->large, e);
	n = read_file(x, fd, (size_t)st.st_size, max);
	if (n < 0)
		return index_unreadable(x, it, path, e);
	if ((size_t)n > max)
		return skip(x, it, &stats->large, e);
	if (text_is_binary(x->buf, (size_t)n)) {
		stats->files--;
		stats->binary++;
		return run_binary(&x->run, x->path.buf, n, time_to_store(&st), e);
	}
	return index_text(x, it, path, &st, (size_t)n, e);
}

static int
work(struct indexer *x, struct err *e)
{
	AUTOFREE char *path = xmalloc(UINT16_MAX + 1);

	rewind(x->todo);
	for (int64_t done = 0; done < x->ntodo; done++) {
		struct item it;

		if (fread(&it, sizeof it, 1, x->todo) != 1 ||
		    fread(path, 1, it.len, x->todo) != it.len)
			return err_set(e, ERR_IO, "cannot read a temporary file");
		path[it.len] = '\0';
		report(x, done);
		if (index_file(x, &it, path, e))
			return -1;
	}
	if (run_flush(&x->run, e))
		return -1;
	report(x, x->ntodo);
	return 0;
}

/* The next run is told what to compare with if all that is there is stored as it is. */
static int
end(struct indexer *x, struct err *e)
{
	struct unchanged *u = &x->run.unchanged;

	if (!x->unchanged) {
		/* what git could not read is not in its list */
		if (x->ntodo || x->tree.closed)
			u = NULL;
		else if (sum_up(x, u, e))
			return -1;
	}
	return run_end(&x->run, x->tree.commit, u, e);
}

static int
go(struct indexer *x, struct err *e)
{
	if (scan(x, e) || find_gone(x, e))
		return -1;
	announce(x);
	if (work(x, e))
		return -1;
	/* times had changed, but nothing in the files */
	if (x->run.indexed && !x->run.redo && !x->run.files && !x->run.deleted && x->ntodo)
		say(x, "up to date");
	return end(x, e);
}

static void
name_repository(struct indexer *x)
{
	const char *base = strrchr(x->tree.root, '/');

	str_reset(&x->path);
	text_put_path(&x->path, x->tree.root);
	x->job->repo_path = xstrdup(x->path.buf);
	str_reset(&x->path);
	text_put_path(&x->path, base[1] ? base + 1 : "/");
	x->job->repo_name = xstrdup(x->path.buf);
}

int
index_tree(struct index_job *job, struct err *e)
{
	struct pg db = PG_INIT;
	struct indexer x = {
		.job = job, .tree = TREE_INIT, .stored = STORED_INIT, .names = STR(STR_ANY),
		.text = STR(STR_ANY), .path = STR(STR_ANY), .list = STR(STR_ANY), .words = WORDS(WORDS_BYTES),
		.chunker = CHUNKER((int)job->chunk_lines),
		.run = { .db = &db, .app = job->app, .dbname = job->dbname },
	};
	int rc = -1;

	job->unreadable = (struct str)STR(8000);
	if (tree_open(&x.tree, job->path, e) == 0 && tree_start(&x.tree, e) == 0 &&
	    pg_open(&db, job->app, job->dbname, e) == 0) {
		name_repository(&x);
		x.sizes = xcalloc(STORE_LIST, sizeof *x.sizes);
		x.md = EVP_MD_CTX_new();
		x.todo = tmpfile();
		if (!x.md)
			(void)err_set(e, ERR_OS, "out of memory");
		else if (!x.todo)
			(void)err_sys(e, ERR_CANTCREAT, "cannot make a temporary file");
		else
			rc = go(&x, e);
		report(&x, x.ntodo);
	}
	run_free(&x.run);
	pg_close(&db);
	if (x.todo)
		fclose(x.todo);
	EVP_MD_CTX_free(x.md);
	free(x.sizes);
	free(x.buf);
	stored_free(&x.stored);
	str_free(&x.names);
	str_free(&x.text);
	str_free(&x.path);
	str_free(&x.list);
	words_free(&x.words);
	chunker_free(&x.chunker);
	tree_close(&x.tree);
	return rc;
}

void
index_job_free(struct index_job *job)
{
	free(job->repo_path);
	free(job->repo_name);
	job->repo_path = job->repo_name = NULL;
	str_free(&job->unreadable);
}
