-- drop: FUNCTION jobctl.running_in_queue(text)
--
-- How many jobs of a queue run: counted through the claims, since the jobs have no
-- index for it.  OFFSET 0 keeps the planner, which cannot know how short the claims'
-- arrays are, from reading all jobs instead.
CREATE OR REPLACE FUNCTION jobctl.running_in_queue(queue text) RETURNS integer
LANGUAGE sql STABLE AS $$
    SELECT count(*)::integer
    FROM jobctl.claims c
    CROSS JOIN LATERAL unnest(c.ids) AS i(id)
    CROSS JOIN LATERAL (SELECT FROM jobctl.jobs j
                        WHERE j.id = i.id AND j.token = c.token AND j.queue = running_in_queue.queue
                        OFFSET 0) running
$$;
