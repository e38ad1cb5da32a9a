-- drop: FUNCTION jobctl.recount_claims(uuid)
--
-- Count anew what runs under a worker's claims, whose rows the caller has locked
-- with a statement before this one, and let go of those where nothing does.
CREATE OR REPLACE FUNCTION jobctl.recount_claims(worker uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    WITH counted AS MATERIALIZED (
        SELECT c.token, c.queue, c.ahead, (SELECT count(*)::integer FROM jobctl.jobs j
                                  WHERE j.id = ANY (c.ids)
                                    AND (j.token = c.token OR c.ahead AND j.token IS NULL)) AS running
        FROM jobctl.claims c WHERE c.worker_id = worker
    ), closed AS (
        DELETE FROM jobctl.claims c USING counted n
        WHERE c.token = n.token AND c.queue = n.queue AND c.ahead = n.ahead AND n.running = 0
    )
    UPDATE jobctl.claims c SET unfinished = n.running FROM counted n
    WHERE c.token = n.token AND c.queue = n.queue AND c.ahead = n.ahead AND n.running NOT IN (0, c.unfinished);
END
$$;
REVOKE ALL ON FUNCTION jobctl.recount_claims(uuid) FROM PUBLIC;
