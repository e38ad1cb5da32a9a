-- drop: FUNCTION jobctl.mark_running(uuid[], uuid)
-- drop: FUNCTION jobctl.mark_taken(uuid, uuid[], uuid[])
--
-- Write into the rows of jobs that they run, where only a claim says so by now: see the table
-- jobctl.claims.  Those of ids, which the caller has locked with a statement before this one,
-- and which the worker took ahead (null: whoever did).
CREATE OR REPLACE FUNCTION jobctl.mark_running(ids uuid[], worker uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    theirs jobctl.claims[];
    c jobctl.claims;
    marked uuid[];
BEGIN
    IF ids = '{}' THEN
        RETURN;
    END IF;
    -- all of them before any that is not ahead, as in finish(), leave_claims() and reap()
    theirs := ARRAY(SELECT o FROM jobctl.claims o
                    WHERE o.ahead AND (worker IS NULL OR o.worker_id = worker)
                      AND (SELECT bool_or(i.id IN (SELECT unnest(mark_running.ids))) FROM unnest(o.ids) AS i(id))
                    ORDER BY o.token, o.queue FOR UPDATE);
    FOREACH c IN ARRAY theirs LOOP
        marked := ARRAY(SELECT j.id FROM unnest(mark_running.ids) AS i(id) JOIN jobctl.jobs j ON j.id = i.id
                        WHERE (i.id IN (SELECT unnest(c.ids))) IS TRUE AND j.status = 'pending');
        CONTINUE WHEN marked = '{}';
        INSERT INTO jobctl.claims AS o (token, queue, worker_id, ids, unfinished, claimed_at)
        VALUES (c.token, c.queue, c.worker_id, marked, cardinality(marked), c.claimed_at)
        ON CONFLICT (token, queue, ahead) DO UPDATE
        SET ids = o.ids || excluded.ids, unfinished = o.unfinished + excluded.unfinished;
        IF c.unfinished > cardinality(marked) THEN
            UPDATE jobctl.claims o
            SET unfinished = c.unfinished - cardinality(marked),
                ids = ARRAY(SELECT i.id FROM unnest(c.ids) AS i(id) WHERE i.id NOT IN (SELECT unnest(marked)))
            WHERE o.token = c.token AND o.queue = c.queue AND o.ahead;
        ELSE
            DELETE FROM jobctl.claims o WHERE o.token = c.token AND o.queue = c.queue AND o.ahead;
        END IF;
        UPDATE jobctl.jobs j
        SET status = 'running', token = c.token, worker_id = c.worker_id, attempt = j.attempt + 1,
            started_at = c.claimed_at
        WHERE j.id = ANY (marked);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobctl.mark_running(uuid[], uuid) FROM PUBLIC;

-- The same for those of these jobs that the worker took ahead under these tokens, but for those
-- whose row somebody has.
CREATE OR REPLACE FUNCTION jobctl.mark_taken(worker uuid, ids uuid[], tokens uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM jobctl.mark_running(ARRAY(
        SELECT j.id FROM unnest(mark_taken.ids, mark_taken.tokens) AS i(id, token) JOIN jobctl.jobs j ON j.id = i.id
        WHERE j.token IS NULL
          AND ((i.id, i.token) IN (SELECT h.id, h.token FROM jobctl.has_ahead(worker, mark_taken.tokens) h)) IS TRUE
        FOR NO KEY UPDATE OF j SKIP LOCKED), worker);
END
$$;
REVOKE ALL ON FUNCTION jobctl.mark_taken(uuid, uuid[], uuid[]) FROM PUBLIC;
