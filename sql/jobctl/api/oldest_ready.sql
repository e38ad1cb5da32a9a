-- drop: FUNCTION jobctl.oldest_ready(text, text[])
--
-- The part of queue_state() that finds when the oldest ready job of a queue became
-- eligible: among the first hundred of each priority (one that was interrupted kept its
-- place, and waits from then on), from the lowest up, a hundred at most.
CREATE OR REPLACE FUNCTION jobctl.oldest_ready(queue text, visible text[]) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    level integer;
    above bigint := -2147483649;
    first timestamptz;
    oldest timestamptz;
BEGIN
    FOR i IN 1 .. 100 LOOP
        SELECT j.priority INTO level FROM jobctl.jobs j
        WHERE j.queue = oldest_ready.queue AND j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
          AND j.priority > above AND (visible IS NULL OR j.project_id = ANY (visible))
        ORDER BY j.priority, j.seq DESC LIMIT 1;
        EXIT WHEN NOT FOUND;
        SELECT min(h.run_at) INTO first
        FROM (SELECT j.run_at FROM jobctl.jobs j
              WHERE j.queue = oldest_ready.queue AND j.status = 'pending' AND j.wake_at IS NULL AND j.blockers = 0
                AND j.priority = level AND (visible IS NULL OR j.project_id = ANY (visible))
              ORDER BY j.seq LIMIT 100) h;
        oldest := least(oldest, first);
        above := level;
    END LOOP;
    RETURN oldest;
END
$$;
REVOKE ALL ON FUNCTION jobctl.oldest_ready(text, text[]) FROM PUBLIC;
