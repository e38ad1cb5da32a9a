-- drop: FUNCTION catalog.search_lines(text, boolean, text, text[], tsquery, text, text, text, bigint)
-- after: search_scope
--
-- The lines that match a regular expression, those first that name what their
-- chunk defines, at most "max" (null: all).
--
-- clauses narrow the search to files that can match, by trigrams: of each, one of
-- its strings (separated by "|") must be among the words of the file, for example
-- {"alloc|calloc"," size "}.  Without any, every chunk in scope is read.  words
-- narrows it further, by full text.  literal, if not null, must stand in every
-- match: looking for it is many times faster than the regex.
CREATE OR REPLACE FUNCTION catalog.search_lines(
    regex text, any_case boolean, literal text, clauses text[], words tsquery, project text, repo text, lang text,
    max bigint)
RETURNS TABLE (project_id text, repo_name text, repo_path text, path text, language text,
               chunk_start integer, chunk_end integer, symbol text, line integer, content text, rank real)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off AS $$
DECLARE
    flags text := CASE WHEN any_case THEN 'ni' ELSE 'n' END;
    narrow text;
BEGIN
    PERFORM regexp_match('', regex, flags);		-- is it one?
    narrow := (SELECT string_agg(format('w.file_words LIKE ANY (%L)',
                                        string_to_array('%' || replace(c, '|', '%|%') || '%', '|')), ' AND ')
               FROM unnest(clauses) AS c);
    IF words IS NOT NULL THEN
        narrow := concat_ws(' AND ', narrow,
                            format('array_to_tsvector(string_to_array(btrim(w.file_words), '' '')) @@ %L::tsquery', words));
    END IF;
    RETURN QUERY EXECUTE format($q$
        WITH scope AS MATERIALIZED (SELECT * FROM catalog.search_scope($1, $2)),
        matching AS MATERIALIZED (
            SELECT w.code_file_id FROM catalog.code_chunks w
            WHERE w.file_words IS NOT NULL AND %s OR w.words_partial),
        files AS MATERIALIZED (
            SELECT f.id, s.project_id, s.name, s.path, f.relative_path, f.language
            FROM matching m
            JOIN catalog.code_files f ON f.id = m.code_file_id AND NOT f.is_deleted
            JOIN scope s ON s.id = f.repository_id
            WHERE $3 IS NULL OR f.language = $3)
        SELECT f.project_id, f.name, f.path, f.relative_path, f.language,
               c.start_line, c.end_line, c.symbol, (c.start_line + l.place - 1)::integer,
               left(rtrim(l.content, E'\r'), 2000),
               CASE WHEN strpos(l.content, c.symbol) > 0 THEN 2 ELSE 1 END::real AS rank
        FROM files f
        -- OFFSET: the planner takes a regex to be cheap and would read all chunks
        CROSS JOIN LATERAL (SELECT * FROM catalog.code_chunks h WHERE h.code_file_id = f.id OFFSET 0) c
        CROSS JOIN LATERAL unnest(string_to_array(c.content, E'\n')) WITH ORDINALITY AS l(content, place)
        WHERE ($7 IS NULL OR strpos(c.content, $7) > 0)
          AND regexp_match(c.content, $4, $5) IS NOT NULL
          AND l.place <= c.end_line - c.start_line + 1
          AND regexp_match(l.content, $4, $5) IS NOT NULL
        ORDER BY rank DESC, f.path, f.relative_path, c.id, l.place LIMIT $6
        $q$, coalesce(narrow, 'true'))
    USING project, repo, lang, regex, flags, max, literal;
END
$$;
REVOKE ALL ON FUNCTION catalog.search_lines(text, boolean, text, text[], tsquery, text, text, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.search_lines(text, boolean, text, text[], tsquery, text, text, text, bigint)
    TO jobctl_submitter, jobctl_worker, jobctl_operator, jobctl_reader;
