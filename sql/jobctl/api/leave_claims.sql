-- drop: FUNCTION jobctl.leave_claims(uuid[], text[])
--
-- Jobs left their claims: an element for each, its token and queue.  The caller
-- has locked the jobs and found them running under the tokens, so each is
-- subtracted exactly once.  A claim goes with its last job.
--
-- IS NOT DISTINCT FROM, so that no plan finds a claim by its queue: while an old
-- snapshot is open every claim that there was has an entry under that.
CREATE OR REPLACE FUNCTION jobctl.leave_claims(tokens uuid[], queues text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH gone AS MATERIALIZED (
        SELECT u.token, u.queue, count(*)::integer AS n
        FROM unnest(tokens, queues) AS u(token, queue) GROUP BY u.token, u.queue
    ), held AS MATERIALIZED (   -- in one order everywhere, so that two of these cannot deadlock
        SELECT c.token, c.queue, c.unfinished - g.n AS unfinished
        FROM gone g JOIN jobctl.claims c ON c.token = g.token AND c.queue IS NOT DISTINCT FROM g.queue
        ORDER BY c.token, c.queue FOR UPDATE OF c
    ), closed AS (
        DELETE FROM jobctl.claims c USING held h
        WHERE c.token = h.token AND c.queue IS NOT DISTINCT FROM h.queue AND h.unfinished <= 0
    )
    UPDATE jobctl.claims c SET unfinished = h.unfinished FROM held h
    WHERE c.token = h.token AND c.queue IS NOT DISTINCT FROM h.queue AND h.unfinished > 0;
END
$$;
REVOKE ALL ON FUNCTION jobctl.leave_claims(uuid[], text[]) FROM PUBLIC;
