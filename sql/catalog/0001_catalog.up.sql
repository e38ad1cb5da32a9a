-- Repositories, their files, and what is in them, in pieces.
--
-- Which search indexes, and on what.  Measured on /usr/include (7,963 files, 113
-- MB, 50,474 chunks of 60 lines), one session, two cores; loading the chunks alone
-- takes 1.9 s:
--
--   GIN on to_tsvector('simple', content) of chunks    18.6 s   30 MB
--   GIN trigrams on content of chunks                  17.0 s   44 MB
--   the same on each chunk's distinct words            7.7 s    40 MB (trigrams)
--   the same on each FILE's distinct words             3.7 s    16 MB (trigrams)
--                                                      2.6 s    19 MB (full text)
--
-- Nearly all of the first two is taking text apart: 14.6 s in to_tsvector, 11.9 s
-- in cutting trigrams, of text in which most words stand again and again.  So the
-- words are found once, by the indexer, and both indexes are on a file's list of
-- distinct words, which stands on its first chunk.  They name the files that can
-- match; the chunks of those files are then looked at exactly.  pg_trgm takes
-- trigrams within words only, so the list has every trigram that the text has:
-- nothing is lost but their order.
--
-- Are both worth it?  Measured again on 11,149 files (C headers, Perl, Python and
-- JavaScript, 134 MB in 136,228 chunks, 22 MB of words), the server's CPU for loading
-- them: 5.0 s without both, 10.0 s with the words, 13.8 s with the trigrams, 18.9 s
-- with both.  What they answer, in ms (warm; without an index the lists are read):
--
--                       files    by words    by trigrams    without
--   kmalloc                 2       0.1            2.7         1924
--   socket                478       1.1             58
--   parse & int           701       2.0            316
--   int                 4,333        25            351
--   %kmalloc%               3         -             19          315
--
-- Trigrams could stand in for words, but only by reading the list of every file that
-- they name, once for each search; nothing else can stand in for trigrams.  Both stay.
--
-- Also tried: trigrams as hashes in integer[] (array_ops) take three times as long
-- as pg_trgm's; a dictionary of words beside the files saves a quarter and has to
-- be kept free of words that no file has any more; gin_pending_list_limit of 8, 16, 32
-- or 64 MB, also with a work_mem of 32 to 128 MB for sorting it in, changes nothing;
-- fastupdate = off takes five times as long (94 s).

CREATE SCHEMA IF NOT EXISTS catalog;
COMMENT ON SCHEMA catalog IS 'what was indexed; see jobctl-index(1) and jobctl-search(1)';
GRANT USAGE ON SCHEMA catalog TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;

-- Not dropped by the down migration: others may use it.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;

CREATE TABLE catalog.repositories (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id text NOT NULL,
    path text NOT NULL CONSTRAINT ck_repository_path CHECK (path ~ '^"?/'),
    name text NOT NULL,
    commit_sha text CONSTRAINT ck_repository_commit CHECK (commit_sha ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
    last_indexed_at timestamptz,
    is_active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT uq_repository_path UNIQUE (project_id, path)
);
COMMENT ON TABLE catalog.repositories IS 'trees of files that were indexed';
COMMENT ON COLUMN catalog.repositories.path IS 'absolute, without links; C-quoted if it is not UTF-8';
COMMENT ON COLUMN catalog.repositories.commit_sha IS 'what was checked out when it was last indexed; null without git';
COMMENT ON COLUMN catalog.repositories.is_active IS 'false hides it from searches';

CREATE TABLE catalog.code_files (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- jobctl: allow fk-without-index no program deletes repositories; two partial indexes serve all else
    repository_id uuid NOT NULL REFERENCES catalog.repositories ON DELETE CASCADE,
    relative_path text COLLATE "C" NOT NULL,
    content_hash text CONSTRAINT ck_code_file_hash CHECK (content_hash ~ '^[0-9a-f]{64}$'),
    size_bytes bigint NOT NULL CONSTRAINT ck_code_file_size CHECK (size_bytes >= 0),
    language text,
    modified_at timestamptz,
    indexed_at timestamptz NOT NULL DEFAULT now(),
    is_deleted boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    project_id text NOT NULL,
    CONSTRAINT ck_code_file_deleted CHECK (is_deleted = (deleted_at IS NOT NULL))
);
COMMENT ON TABLE catalog.code_files IS 'files of a repository, also those that are gone';
COMMENT ON COLUMN catalog.code_files.content_hash IS 'SHA-256; null if the file could not be read';
CREATE UNIQUE INDEX uq_code_files_path ON catalog.code_files (repository_id, relative_path)
    WHERE NOT is_deleted;
CREATE INDEX idx_code_files_deleted ON catalog.code_files (repository_id, relative_path)
    WHERE is_deleted;

CREATE TABLE catalog.code_chunks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code_file_id uuid NOT NULL REFERENCES catalog.code_files ON DELETE CASCADE,
    content text NOT NULL,
    start_line integer NOT NULL CONSTRAINT ck_code_chunk_start CHECK (start_line > 0),
    end_line integer NOT NULL,
    chunk_type text NOT NULL
        CONSTRAINT ck_code_chunk_type CHECK (chunk_type IN ('function', 'class', 'block')),
    symbol text,
    project_id text NOT NULL,
    file_words text,
    words_partial boolean NOT NULL DEFAULT false,
    CONSTRAINT ck_code_chunk_end CHECK (end_line >= start_line)
);
COMMENT ON TABLE catalog.code_chunks IS 'the text of files, in pieces that cover it without overlap';
COMMENT ON COLUMN catalog.code_chunks.file_words IS
    'on the first chunk of a file: the distinct words and humps of identifiers in the whole file, lower case, a space before and after each';
COMMENT ON COLUMN catalog.code_chunks.words_partial IS
    'there were too many words: any search must look into this file';
DO $$
BEGIN
    -- pglz takes 7 % of the server's time in a first index, lz4 next to nothing
    IF EXISTS (SELECT FROM pg_catalog.pg_settings s
               WHERE s.name = 'default_toast_compression' AND 'lz4' = ANY (s.enumvals)) THEN
        ALTER TABLE catalog.code_chunks ALTER content SET COMPRESSION lz4, ALTER file_words SET COMPRESSION lz4;
    END IF;
END
$$;
CREATE INDEX idx_code_chunks_file ON catalog.code_chunks (code_file_id);
CREATE INDEX idx_code_chunks_symbol ON catalog.code_chunks (lower(symbol)) WHERE symbol IS NOT NULL;
CREATE INDEX idx_code_chunks_text ON catalog.code_chunks
    USING gin (array_to_tsvector(string_to_array(btrim(file_words), ' '))) WHERE file_words IS NOT NULL;
CREATE INDEX idx_code_chunks_partial ON catalog.code_chunks (code_file_id) WHERE words_partial;
DO $$
BEGIN
    -- wherever pg_trgm was installed
    EXECUTE format('CREATE INDEX idx_code_chunks_trigrams ON catalog.code_chunks USING gin (file_words %I.gin_trgm_ops)
                    WHERE file_words IS NOT NULL',
                   (SELECT n.nspname FROM pg_catalog.pg_extension e
                    JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
                    WHERE e.extname = 'pg_trgm'));
END
$$;

-- So that a run need not open them again to find out what they are.
CREATE TABLE catalog.binary_files (
    repository_id uuid NOT NULL REFERENCES catalog.repositories ON DELETE CASCADE,
    relative_path text COLLATE "C" NOT NULL,
    size_bytes bigint NOT NULL,
    modified_at timestamptz,
    project_id text NOT NULL,
    PRIMARY KEY (repository_id, relative_path)
);
COMMENT ON TABLE catalog.binary_files IS 'files that are not indexed because they are no text';

CREATE TABLE catalog.index_runs (
    repository_id uuid PRIMARY KEY REFERENCES catalog.repositories ON DELETE CASCADE,
    project_id text NOT NULL,
    token uuid,
    holder text NOT NULL,
    started_at timestamptz NOT NULL,
    redo_before timestamptz,
    listing text CONSTRAINT ck_index_run_listing CHECK (listing ~ '^[0-9a-f]{64}$'),
    files bigint,
    binaries bigint,
    CONSTRAINT ck_index_run_unchanged CHECK ((listing IS NULL) = (files IS NULL) AND (files IS NULL) = (binaries IS NULL))
);
COMMENT ON TABLE catalog.index_runs IS 'who indexes a repository, or did last';
COMMENT ON COLUMN catalog.index_runs.token IS 'what the run that may write must name; null when it has ended';
COMMENT ON COLUMN catalog.index_runs.redo_before IS
    'a forced run is not complete: files indexed before this are to be indexed again';
COMMENT ON COLUMN catalog.index_runs.listing IS
    'SHA-256 of a tree''s paths, sizes and times, when all were as they are stored';
COMMENT ON COLUMN catalog.index_runs.files IS 'in that listing: texts, and binaries';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['repositories', 'code_files', 'code_chunks', 'binary_files'] LOOP
        EXECUTE format('ALTER TABLE catalog.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY visible ON catalog.%I FOR SELECT USING
                        (project_id = ANY (ARRAY(SELECT jobctl.visible_projects())))', t);
        EXECUTE format('GRANT SELECT ON catalog.%I TO jobctl_submitter, jobctl_worker, jobctl_operator,
                        jobctl_reader', t);
    END LOOP;
END
$$;
