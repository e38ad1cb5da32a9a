-- drop: FUNCTION jobctl.close_claims(uuid[], uuid[])
--
-- After jobs left their claim (finished, given back): count what still runs under
-- the tokens, and let go of claims where nothing does.  Counting anew instead of
-- subtracting makes it right to call twice.
CREATE OR REPLACE FUNCTION jobctl.close_claims(ids uuid[], tokens uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH touched AS MATERIALIZED (
        SELECT c.token, c.unfinished,
               (SELECT count(*) FROM unnest(c.ids) AS i(id)
                JOIN jobctl.jobs j ON j.id = i.id AND j.token = c.token) AS left_over
        FROM jobctl.claims c
        WHERE c.token IN (SELECT DISTINCT unnest(close_claims.tokens))
        ORDER BY c.token FOR UPDATE OF c
    ), emptied AS (
        DELETE FROM jobctl.claims c USING touched t WHERE c.token = t.token AND t.left_over = 0
    )
    UPDATE jobctl.claims c SET unfinished = t.left_over
    FROM touched t
    WHERE c.token = t.token AND t.left_over > 0 AND t.left_over <> c.unfinished;
END
$$;
REVOKE ALL ON FUNCTION jobctl.close_claims(uuid[], uuid[]) FROM PUBLIC;
