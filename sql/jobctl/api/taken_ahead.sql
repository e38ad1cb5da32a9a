-- drop: FUNCTION jobctl.taken_ahead(text, bigint, bigint)
-- drop: FUNCTION jobctl.has_ahead(uuid, uuid[])
--
-- The jobs of a queue that claims have taken ahead, ended ones among them; null if there are
-- none.  With bounds: of those claims only that may have one whose seq is within them.
--
-- IS NOT DISTINCT FROM as in leave_claims().
CREATE OR REPLACE FUNCTION jobctl.taken_ahead(queue text, first_seq bigint, last_seq bigint) RETURNS uuid[]
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT array_agg(i.id) FROM jobctl.claims c CROSS JOIN LATERAL unnest(c.ids) AS i(id)
            WHERE c.ahead AND c.queue IS NOT DISTINCT FROM taken_ahead.queue
              AND c.last_seq >= coalesce(taken_ahead.first_seq, -9223372036854775808)
              AND c.first_seq <= coalesce(taken_ahead.last_seq, 9223372036854775807));
END
$$;
REVOKE ALL ON FUNCTION jobctl.taken_ahead(text, bigint, bigint) FROM PUBLIC;

-- What a worker took ahead under these tokens, ended jobs among it: those that are live and
-- pending are its.
CREATE OR REPLACE FUNCTION jobctl.has_ahead(worker uuid, tokens uuid[]) RETURNS TABLE (id uuid, token uuid)
LANGUAGE sql STABLE AS $$
    SELECT i.id, c.token
    FROM jobctl.claims c CROSS JOIN LATERAL unnest(c.ids) AS i(id)
    WHERE c.worker_id IS NOT DISTINCT FROM worker AND c.ahead AND c.token = ANY (tokens)
$$;
REVOKE ALL ON FUNCTION jobctl.has_ahead(uuid, uuid[]) FROM PUBLIC;
