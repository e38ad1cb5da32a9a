-- drop: FUNCTION jobctl.leave_claims(uuid[], text[], boolean[])
--
-- Jobs left their claims: an element for each, its token, its queue, and whether it was
-- taken ahead (null: none was).  The caller has locked the jobs and found them running under the tokens,
-- so each is subtracted exactly once.  A claim goes with its last job.
--
-- IS NOT DISTINCT FROM, so that no plan finds a claim by its queue or its worker: while
-- an old snapshot is open every claim that there was has an entry under those.
CREATE OR REPLACE FUNCTION jobctl.leave_claims(tokens uuid[], queues text[], ahead boolean[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH gone AS MATERIALIZED (
        SELECT u.token, queues[u.k] AS queue, coalesce(leave_claims.ahead[u.k], false) AS ahead, count(*)::integer AS n
        FROM unnest(tokens) WITH ORDINALITY AS u(token, k) GROUP BY 1, 2, 3
    ), held AS MATERIALIZED (   -- in one order everywhere, so that two of these cannot deadlock
        SELECT c.token, c.queue, c.ahead, c.unfinished - g.n AS unfinished
        FROM gone g JOIN jobctl.claims c ON c.token = g.token AND c.queue IS NOT DISTINCT FROM g.queue AND c.ahead = g.ahead
        ORDER BY c.ahead DESC, c.token, c.queue FOR UPDATE OF c
    ), closed AS (
        DELETE FROM jobctl.claims c USING held h
        WHERE c.token = h.token AND c.queue IS NOT DISTINCT FROM h.queue AND c.ahead = h.ahead AND h.unfinished <= 0
    )
    UPDATE jobctl.claims c SET unfinished = h.unfinished FROM held h
    WHERE c.token = h.token AND c.queue IS NOT DISTINCT FROM h.queue AND c.ahead = h.ahead AND h.unfinished > 0;
END
$$;
REVOKE ALL ON FUNCTION jobctl.leave_claims(uuid[], text[], boolean[]) FROM PUBLIC;
