-- drop: FUNCTION catalog.store_files(uuid, uuid, text[], text[], bigint[], timestamptz[], text[], integer[], text[], integer[], integer[], text[], text[], text[], boolean[])
-- after: check_run
--
-- Put files with their chunks in place of what was stored of them, all or none.
-- file_of says for each chunk which file it is of, counting from 1; words are those
-- of the whole file, on its first chunk, null on the others.  A file's hash is null
-- if it could not be read.  May be repeated.
CREATE OR REPLACE FUNCTION catalog.store_files(
    repository uuid, token uuid,
    paths text[], hashes text[], sizes bigint[], times timestamptz[], languages text[],
    file_of integer[], contents text[], starts integer[], ends integer[], types text[], symbols text[],
    words text[], partial boolean[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    project text := catalog.check_run(repository, token);
    ids uuid[];
BEGIN
    -- a file that comes back takes the place of its own memorial
    DELETE FROM catalog.code_files f
    WHERE f.repository_id = store_files.repository AND f.relative_path = ANY (paths) AND f.is_deleted;
    DELETE FROM catalog.binary_files b
    WHERE b.repository_id = store_files.repository AND b.relative_path = ANY (paths);

    WITH stored AS (
        INSERT INTO catalog.code_files AS f (repository_id, project_id, relative_path, content_hash, size_bytes,
                                             language, modified_at)
        SELECT store_files.repository, project, n.path, n.hash, n.size, n.language, n.time
        FROM unnest(paths, hashes, sizes, times, languages) AS n(path, hash, size, time, language)
        ON CONFLICT (repository_id, relative_path) WHERE NOT is_deleted DO UPDATE
        SET content_hash = excluded.content_hash, size_bytes = excluded.size_bytes,
            language = excluded.language, modified_at = excluded.modified_at, indexed_at = now()
        RETURNING f.id, f.relative_path)
    SELECT array_agg(s.id ORDER BY n.place) INTO ids
    FROM unnest(paths) WITH ORDINALITY AS n(path, place) JOIN stored s ON s.relative_path = n.path;

    DELETE FROM catalog.code_chunks c WHERE c.code_file_id = ANY (ids);
    INSERT INTO catalog.code_chunks (code_file_id, project_id, content, start_line, end_line, chunk_type, symbol,
                                     file_words, words_partial)
    SELECT ids[n.file], project, n.content, n.start, n.stop, n.type, n.symbol, n.words, n.partial
    FROM unnest(file_of, contents, starts, ends, types, symbols, words, partial)
         AS n(file, content, start, stop, type, symbol, words, partial);
END
$$;
REVOKE ALL ON FUNCTION catalog.store_files(uuid, uuid, text[], text[], bigint[], timestamptz[], text[], integer[],
    text[], integer[], integer[], text[], text[], text[], boolean[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.store_files(uuid, uuid, text[], text[], bigint[], timestamptz[], text[], integer[],
    text[], integer[], integer[], text[], text[], text[], boolean[])
    TO jobctl_worker, jobctl_operator;
