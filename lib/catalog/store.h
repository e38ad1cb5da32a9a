/*
 * store.h - a run of the indexer as the database sees it
 *
 * The session that began a run holds the repository until the run ends or the
 * session does.  Files are stored through further sessions, several batches at a
 * time, while the next one is prepared; each batch is a transaction.
 */
#ifndef JOBCTL_CATALOG_STORE_H
#define JOBCTL_CATALOG_STORE_H

#include "catalog/chunk.h"
#include "pipe.h"

enum {
	STORE_STREAMS = 2,
	STORE_BATCH_FILES = 32,		/* with those under way under 1 % of 10,000 files */
	STORE_BATCH_BYTES = 1 << 20,
	STORE_LIST = 1000,		/* files looked up, touched, forgotten in one call */
};

/* Files on their way into a call, one array per column. */
struct batch {
	int nfiles, nchunks;
	size_t bytes;
	struct pg_array path, hash, size, time, language;
	struct pg_array file_of, content, start, end, type, symbol, words, partial;
};

struct stream {
	struct pipe pipe;
	struct run *run;
	int nfiles, nchunks;	/* of the batch that is under way */
};

/*
 * What a run found that changed nothing: the SHA-256 of the files' paths, sizes and
 * times, in the order in which they were listed, and how many they are.
 */
struct unchanged {
	char listing[65];	/* in hex */
	int64_t files, binaries;
};

struct run {
	struct pg *db;
	const char *app, *dbname;	/* borrowed: how further sessions connect */
	struct uuid repository, token;
	bool indexed;		/* completely, at some time before */
	bool redo;		/* also what did not change is to be indexed again */
	bool begun;
	bool listed;		/* unchanged is what the run before this one found */
	struct unchanged unchanged;
	int64_t since;		/* when that one began, in microseconds since 1970 */
	struct batch batch;
	struct stream stream[STORE_STREAMS];
	struct batch asked, touched, gone, binary;	/* files for one of the calls below */
	int64_t files, chunks, deleted;	/* so far, as the database has confirmed */
	struct err err;		/* the first batch that failed */
};

struct stored_file {
	const char *path;	/* as the catalog has it */
	int64_t size;
	int64_t time_us;	/* NEVER if it is not known */
	const char *hash;	/* NULL: it could not be read */
	const struct lang *lang;
	const char *words;	/* of the whole of it, if it has chunks */
	bool partial;
};

/*
 * Begin a run, waiting up to wait_ms for another run over the same repository.
 * r was zeroed but for db, app and dbname.  Unless make is set, a repository that the
 * catalog does not know is left alone: r->begun is then false.
 */
int run_begin(struct run *r, const char *project, const char *path, const char *name, bool force,
	      bool make, int64_t wait_ms, struct err *e) MUSTCHECK;
/* Give up whatever is under way; what was confirmed stays stored. */
void run_free(struct run *r);

/*
 * What is stored, either texts or binary files, at most max after one (NULL: from the
 * first), by the bytes of their paths.  Rows are (path, size, time in microseconds);
 * the time is NULL if the file is to be looked into in any case.
 */
int run_list(struct run *r, PGresult **res, bool binary, const char *after, int64_t max,
	     struct err *e) MUSTCHECK;

/* The hashes of up to STORE_LIST stored files: add their paths, then ask. */
void run_ask_add(struct run *r, const char *path);
int run_hashes(struct run *r, PGresult **res, struct err *e) MUSTCHECK;

/* A file has only a new time; it is no text; it is gone.  Said to the database in lists. */
int run_touch(struct run *r, const char *path, int64_t size, int64_t time_us,
	      struct err *e) MUSTCHECK;
int run_binary(struct run *r, const char *path, int64_t size, int64_t time_us,
	       struct err *e) MUSTCHECK;
int run_forget(struct run *r, const char *path, struct err *e) MUSTCHECK;

/* A file and its chunks; sends the batch when it is full, waits if all streams are busy. */
int run_store(struct run *r, const struct stored_file *f, const char *content,
	      const struct chunk *chunks, int nchunks, struct err *e) MUSTCHECK;
/* Send what is left of everything and wait until it is confirmed. */
int run_flush(struct run *r, struct err *e) MUSTCHECK;

/* What the next run may find again, or NULL. */
int run_end(struct run *r, const char *commit, const struct unchanged *u, struct err *e) MUSTCHECK;

#endif
