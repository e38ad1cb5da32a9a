-- Repositories, files and chunks: what 0001_catalog.up.sql promises.
--
-- Two warnings of jobctl-verify stand.  pg_trgm is left behind after down: whether it was
-- there before up, or somebody has come to use it, nobody knows.  The foreign key from files
-- to repositories has no whole index, but two that share its rows between them, of files
-- that are there and that are deleted; no program deletes a repository.

-- Repositories.

-- probe: repository keeps
-- expect: rows 1
INSERT INTO catalog.repositories (id, project_id, path, name)
VALUES ('00000000-0000-4000-8000-000000000001', 'default', '/r', 'r');

-- probe: repository-defaults
-- expect: value true
SELECT (is_active AND created_at = now() AND last_indexed_at IS NULL)::text FROM catalog.repositories;

-- probe: repository-twice
-- expect: 23505 uq_repository_path
INSERT INTO catalog.repositories (project_id, path, name) VALUES ('default', '/r', 'r');

-- probe: repository-of-another-project
INSERT INTO catalog.repositories (project_id, path, name) VALUES ('other', '/r', 'r');

-- probe: repository-path
-- expect: 23514 ck_repository_path
UPDATE catalog.repositories SET path = 'r';

-- probe: repository-path-quoted
UPDATE catalog.repositories SET path = '"/r\377"';

-- probe: commit-sha1
UPDATE catalog.repositories SET commit_sha = repeat('a', 40);

-- probe: commit-sha256
UPDATE catalog.repositories SET commit_sha = repeat('a', 64);

-- probe: commit-short
-- expect: 23514 ck_repository_commit
UPDATE catalog.repositories SET commit_sha = repeat('a', 39);

-- probe: commit-in-capitals
-- expect: 23514 ck_repository_commit
UPDATE catalog.repositories SET commit_sha = repeat('A', 40);

-- Files.

-- probe: file keeps
INSERT INTO catalog.code_files (id, repository_id, relative_path, size_bytes, project_id)
VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'a.c', 0, 'default');

-- probe: file-twice
-- expect: 23505 uq_code_files_path
INSERT INTO catalog.code_files (repository_id, relative_path, size_bytes, project_id)
SELECT repository_id, relative_path, size_bytes, project_id FROM catalog.code_files;

-- probe: file-again-after-it-was-deleted
INSERT INTO catalog.code_files (repository_id, relative_path, size_bytes, project_id, is_deleted, deleted_at)
SELECT repository_id, relative_path, size_bytes, project_id, true, now() FROM catalog.code_files;

-- probe: file-deleted-at-no-time
-- expect: 23514 ck_code_file_deleted
UPDATE catalog.code_files SET is_deleted = true;

-- probe: file-size
-- expect: 23514 ck_code_file_size
UPDATE catalog.code_files SET size_bytes = -1;

-- probe: file-hash
-- expect: 23514 ck_code_file_hash
UPDATE catalog.code_files SET content_hash = repeat('a', 40);

-- probe: file-of-no-repository
-- expect: 23503 code_files_repository_id_fkey
UPDATE catalog.code_files SET repository_id = '00000000-0000-4000-8000-000000000009';

-- Chunks.

-- probe: chunk keeps
INSERT INTO catalog.code_chunks (code_file_id, content, start_line, end_line, chunk_type, project_id)
VALUES ('00000000-0000-4000-8000-000000000002', 'x', 1, 1, 'block', 'default');

-- probe: chunk-start
-- expect: 23514 ck_code_chunk_start
UPDATE catalog.code_chunks SET start_line = 0;

-- probe: chunk-end
-- expect: 23514 ck_code_chunk_end
UPDATE catalog.code_chunks SET start_line = 2;

-- probe: chunk-types
UPDATE catalog.code_chunks SET chunk_type = t FROM unnest(ARRAY['function', 'class', 'block']) AS t;

-- probe: chunk-type
-- expect: 23514 ck_code_chunk_type
UPDATE catalog.code_chunks SET chunk_type = 'module';

-- probe: chunk-number-is-ours
-- expect: 428C9
INSERT INTO catalog.code_chunks (id, code_file_id, content, start_line, end_line, chunk_type, project_id)
VALUES (1, '00000000-0000-4000-8000-000000000002', 'x', 1, 1, 'block', 'default');

-- probe: chunk-of-no-file
-- expect: 23503 code_chunks_code_file_id_fkey
UPDATE catalog.code_chunks SET code_file_id = '00000000-0000-4000-8000-000000000009';

-- Binary files and runs.

-- probe: binary keeps
INSERT INTO catalog.binary_files (repository_id, relative_path, size_bytes, project_id)
VALUES ('00000000-0000-4000-8000-000000000001', 'a.png', 1, 'default');

-- probe: binary-twice
-- expect: 23505 binary_files_pkey
INSERT INTO catalog.binary_files SELECT * FROM catalog.binary_files;

-- probe: run keeps
INSERT INTO catalog.index_runs (repository_id, project_id, holder, started_at)
VALUES ('00000000-0000-4000-8000-000000000001', 'default', 'h', now());

-- probe: run-twice
-- expect: 23505 index_runs_pkey
INSERT INTO catalog.index_runs SELECT * FROM catalog.index_runs;

-- probe: run-listing-without-its-files
-- expect: 23514 ck_index_run_unchanged
UPDATE catalog.index_runs SET listing = repeat('a', 64);

-- probe: run-listing-is-a-hash
-- expect: 23514 ck_index_run_listing
UPDATE catalog.index_runs SET listing = 'a', files = 1, binaries = 0;

-- probe: run-listing
-- expect: rows 1
UPDATE catalog.index_runs SET listing = repeat('a', 64), files = 1, binaries = 0;

-- Files go with their repository, chunks with their file.

-- probe: file-takes-its-chunks
-- expect: value 1
WITH gone AS (DELETE FROM catalog.code_files RETURNING id) SELECT count(*) FROM gone;

-- probe: repository-goes keeps
-- expect: rows 1
DELETE FROM catalog.repositories;

-- probe: and-takes-its-files
-- expect: value 0
SELECT count(*) FROM catalog.code_files;

-- probe: and-their-chunks
-- expect: value 0
SELECT count(*) FROM catalog.code_chunks;

-- probe: and-its-binary-files
-- expect: value 0
SELECT count(*) FROM catalog.binary_files;

-- probe: and-its-runs
-- expect: value 0
SELECT count(*) FROM catalog.index_runs;

-- What a role sees and may do.

-- probe: repository-of-others keeps
INSERT INTO catalog.repositories (project_id, path, name) VALUES ('other', '/other', 'other'), ('default', '/mine', 'mine');

-- probe: as-reader keeps
SET LOCAL ROLE jobctl_reader;

-- probe: reader-sees-its-projects
-- expect: value mine
SELECT string_agg(name, ' ') FROM catalog.repositories;

-- probe: reader-changes-nothing
-- expect: 42501
DELETE FROM catalog.repositories;

-- Queries.  A file in ten is gone, and a file has ten chunks, the first with its words.

-- rows: catalog.code_files
WITH r AS (INSERT INTO catalog.repositories (project_id, path, name)
           SELECT 'project-' || n, '/r/' || n, 'r' || n FROM generate_series(1, 20) AS n RETURNING id),
     numbered AS (SELECT id, row_number() OVER () - 1 AS k FROM r)
INSERT INTO catalog.code_files (repository_id, relative_path, size_bytes, project_id, is_deleted, deleted_at)
SELECT r.id, 'src/file-' || n || '.c', n, 'project-' || n % 20, n % 10 = 0, CASE WHEN n % 10 = 0 THEN now() END
  FROM generate_series(1, current_setting('jobctl.rows')::int) AS n JOIN numbered r ON r.k = n % 20;

-- rows: catalog.code_chunks
WITH r AS (INSERT INTO catalog.repositories (project_id, path, name) VALUES ('p', '/chunks', 'chunks') RETURNING id),
     f AS (INSERT INTO catalog.code_files (repository_id, relative_path, size_bytes, project_id)
           SELECT r.id, 'chunks/' || n, n, 'p' FROM r, generate_series(1, current_setting('jobctl.rows')::int / 10 + 1) AS n
           RETURNING id),
     numbered AS (SELECT id, row_number() OVER () AS n FROM f)
INSERT INTO catalog.code_chunks (code_file_id, content, start_line, end_line, chunk_type, symbol, project_id, file_words,
                                 words_partial)
SELECT f.id, 'int x;', 1 + k, 1 + k, 'block', CASE WHEN k % 2 = 0 THEN 'symbol' || f.n END, 'p',
       CASE WHEN k = 0 THEN ' int x word' || f.n || ' ' || md5(f.n::text) || ' ' END, k = 0 AND f.n % 100 = 0
  FROM numbered f, generate_series(0, 9) AS k;

-- query: file-by-path uses uq_code_files_path within 100ms
SELECT content_hash FROM catalog.code_files
 WHERE repository_id = (SELECT repository_id FROM catalog.code_files WHERE relative_path = 'src/file-7.c' LIMIT 1)
   AND relative_path = 'src/file-7.c' AND NOT is_deleted;

-- query: deleted-file-by-path uses idx_code_files_deleted
SELECT id FROM catalog.code_files
 WHERE repository_id = '00000000-0000-4000-8000-000000000001' AND relative_path = 'src/file-10.c' AND is_deleted;

-- query: live-file-by-path not uses idx_code_files_deleted
SELECT id FROM catalog.code_files
 WHERE repository_id = '00000000-0000-4000-8000-000000000001' AND relative_path = 'src/file-10.c' AND NOT is_deleted;

-- query: chunks-of-a-file uses idx_code_chunks_file
SELECT content FROM catalog.code_chunks WHERE code_file_id = '00000000-0000-4000-8000-000000000001' ORDER BY start_line;

-- query: by-symbol uses idx_code_chunks_symbol
SELECT code_file_id FROM catalog.code_chunks WHERE lower(symbol) = 'symbol7';

-- query: without-symbol not uses idx_code_chunks_symbol
SELECT code_file_id FROM catalog.code_chunks WHERE symbol IS NULL;

-- query: by-word uses idx_code_chunks_text within 100ms
SELECT code_file_id FROM catalog.code_chunks
 WHERE file_words IS NOT NULL
   AND array_to_tsvector(string_to_array(btrim(file_words), ' ')) @@ 'word7'::tsquery;

-- query: by-part-of-a-word uses idx_code_chunks_trigrams
SELECT code_file_id FROM catalog.code_chunks WHERE file_words IS NOT NULL AND file_words LIKE '%8f14e45f%';

-- query: with-too-many-words uses idx_code_chunks_partial
SELECT code_file_id FROM catalog.code_chunks WHERE words_partial;
