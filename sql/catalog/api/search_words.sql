-- drop: FUNCTION catalog.search_words(tsquery, text[], text, text, text, bigint, bigint)
-- after: search_scope
--
-- The chunks of the files whose words fulfil a query, those first that define one
-- of the symbols.  At most max_files files and max_chunks chunks.  Which chunks
-- fulfil the query the caller must see for itself: the index is on files.
--
-- The tables are read here with their owner's rights because behind row-level
-- security no condition on words could use an index: only leakproof ones may be
-- asked before the policy.
CREATE OR REPLACE FUNCTION catalog.search_words(
    query tsquery, symbols text[], project text, repo text, lang text, max_files bigint, max_chunks bigint)
RETURNS TABLE (project_id text, repo_name text, repo_path text, path text, language text,
               chunk_start integer, chunk_end integer, symbol text, content text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH scope AS MATERIALIZED (SELECT * FROM catalog.search_scope(project, repo)),
    defining AS MATERIALIZED (
        SELECT DISTINCT c.code_file_id FROM catalog.code_chunks c
        WHERE lower(c.symbol) = ANY (ARRAY(SELECT lower(s) FROM unnest(symbols) AS s))),
    matching AS MATERIALIZED (
        SELECT w.code_file_id FROM catalog.code_chunks w
        WHERE w.file_words IS NOT NULL
              AND array_to_tsvector(string_to_array(btrim(w.file_words), ' ')) @@ query OR w.words_partial),
    files AS MATERIALIZED (
        SELECT f.id, s.project_id, s.name, s.path AS repo_path, f.relative_path, f.language,
               row_number() OVER (ORDER BY d.code_file_id IS NULL, f.relative_path, f.id) AS place
        FROM matching m
        JOIN catalog.code_files f ON f.id = m.code_file_id AND NOT f.is_deleted
        JOIN scope s ON s.id = f.repository_id
        LEFT JOIN defining d ON d.code_file_id = f.id
        WHERE lang IS NULL OR f.language = lang
        ORDER BY place LIMIT max_files)
    SELECT f.project_id, f.name, f.repo_path, f.relative_path, f.language,
           c.start_line, c.end_line, c.symbol, c.content
    FROM files f
    CROSS JOIN LATERAL (SELECT * FROM catalog.code_chunks h WHERE h.code_file_id = f.id OFFSET 0) c
    ORDER BY f.place, c.id LIMIT max_chunks;
END
$$;
REVOKE ALL ON FUNCTION catalog.search_words(tsquery, text[], text, text, text, bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.search_words(tsquery, text[], text, text, text, bigint, bigint)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
