-- drop: FUNCTION jobctl.lock_ahead(uuid, uuid[], uuid[], text[], tid[])
--
-- The part of finish() for what a worker took ahead.  Of the jobs that completed, the rows that
-- are where claim() said (at) are locked: where, which of ids each is (nths), its id, token and
-- queue; and of the claims they are of, the tokens and when that was.  Those have no progress: who
-- has is told no place, and who reports is marked.  The others, which failed, or were changed by
-- hand, are marked as running; finish() finds them as it finds all that run.
--
-- Waits for nobody: those of a claim or a row that somebody has are left as they are.
CREATE OR REPLACE FUNCTION jobctl.lock_ahead(
    worker uuid, ids uuid[], tokens uuid[], outcomes text[], at tid[], OUT places tid[], OUT nths bigint[],
    OUT done_ids uuid[], OUT done_tokens uuid[], OUT done_queues text[], OUT claims uuid[], OUT since timestamptz[])
LANGUAGE plpgsql AS $$
DECLARE
    other_ids uuid[];
    other_tokens uuid[];
BEGIN
    SELECT array_agg(k.token), array_agg(k.claimed_at) INTO claims, since
    FROM (SELECT c.token, c.claimed_at FROM jobctl.claims c
          WHERE c.worker_id IS NOT DISTINCT FROM worker AND c.ahead AND c.token = ANY (tokens)
          ORDER BY c.token, c.queue FOR UPDATE SKIP LOCKED) k;    -- nobody else marks what is in them
    IF claims IS NULL THEN
        RETURN;
    END IF;
    -- IN is hashed where it is no join: nothing tells the planner how long an array is
    SELECT array_agg(m.ctid), array_agg(m.nth), array_agg(m.id), array_agg(m.token), array_agg(m.queue)
    INTO places, nths, done_ids, done_tokens, done_queues
    FROM (SELECT j.ctid, i.nth, j.id, i.token, j.queue
          FROM (SELECT DISTINCT ON (u.place) u.place, u.nth, lock_ahead.ids[u.nth] AS id, lock_ahead.tokens[u.nth] AS token
                FROM unnest(at) WITH ORDINALITY AS u(place, nth)
                WHERE outcomes[u.nth] = 'ok' AND lock_ahead.tokens[u.nth] = ANY (claims)
                  AND (lock_ahead.ids[u.nth] IN (SELECT h.id FROM jobctl.has_ahead(worker, claims) h)) IS TRUE
                ORDER BY u.place, u.nth) i
          JOIN jobctl.jobs j ON j.ctid = i.place
          WHERE j.id = i.id AND j.token IS NULL
          FOR UPDATE OF j SKIP LOCKED) m;
    IF cardinality(nths) = cardinality(ids) THEN
        RETURN;
    END IF;
    SELECT array_agg(u.id), array_agg(u.token) INTO other_ids, other_tokens
    FROM unnest(lock_ahead.ids, lock_ahead.tokens) AS u(id, token)
    WHERE u.token = ANY (claims) AND u.id NOT IN (SELECT unnest(done_ids));
    PERFORM jobctl.mark_taken(worker, other_ids, other_tokens);
END
$$;
REVOKE ALL ON FUNCTION jobctl.lock_ahead(uuid, uuid[], uuid[], text[], tid[]) FROM PUBLIC;
