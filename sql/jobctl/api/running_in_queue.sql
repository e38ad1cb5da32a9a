-- drop: FUNCTION jobctl.running_in_queue(text)
--
-- How many jobs of a queue run: counted through the claims, since the jobs have no
-- index for it.
CREATE OR REPLACE FUNCTION jobctl.running_in_queue(queue text) RETURNS integer
LANGUAGE sql STABLE AS $$
    SELECT count(*)::integer
    FROM jobctl.claims c
    CROSS JOIN LATERAL unnest(c.ids) AS i(id)
    JOIN jobctl.jobs j ON j.id = i.id AND j.token = c.token
    WHERE j.queue = running_in_queue.queue
$$;
