-- drop: FUNCTION jobctl.require_column(text, text, boolean)
-- drop: FUNCTION jobctl.require_status(text, text, text[])
-- drop: FUNCTION jobctl.refuse_view_change(text, uuid)
--
-- What a table would say for itself, said of a view that passes for one: not null, the
-- CHECK of its status, that an id is one row's, and that a row stays and stays whose it is.
CREATE OR REPLACE FUNCTION jobctl.require_column(relation text, name text, given boolean) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT given THEN
        RAISE EXCEPTION USING ERRCODE = '23502', SCHEMA = 'jobctl', TABLE = relation, COLUMN = name,
            MESSAGE = format('null value in column "%s" of relation "%s" violates not-null constraint', name, relation);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION jobctl.require_status(relation text, status text, allowed text[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM jobctl.require_column(relation, 'status', status IS NOT NULL);
    IF status <> ALL (allowed) THEN
        RAISE EXCEPTION USING ERRCODE = '23514', SCHEMA = 'jobctl', TABLE = relation,
            CONSTRAINT = format('ck_%s_status', relation),
            MESSAGE = format('new row for relation "%s" violates check constraint "ck_%1$s_status"', relation),
            DETAIL = format('status is "%s"', status), HINT = 'one of ' || array_to_string(allowed, ', ');
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION jobctl.refuse_view_change(operation text, job uuid) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF operation = 'DELETE' THEN
        RAISE EXCEPTION USING ERRCODE = 'JC077', MESSAGE = format('job %s stays: what was submitted is not deleted', job),
            HINT = 'to stop it: jobctl-cancel; history goes by age: jobctl-prune';
    ELSIF operation = 'INSERT' THEN
        RAISE EXCEPTION USING ERRCODE = '23505', CONSTRAINT = 'jobs_pkey', MESSAGE = format('the id %s is taken', job);
    END IF;
    RAISE EXCEPTION USING ERRCODE = '23514', CONSTRAINT = 'ck_job_identity',
        MESSAGE = format('what job %s is, where and whose, and when it was created, cannot change', job);
END
$$;
REVOKE ALL ON FUNCTION jobctl.require_column(text, text, boolean), jobctl.require_status(text, text, text[]),
    jobctl.refuse_view_change(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION jobctl.require_column(text, text, boolean), jobctl.require_status(text, text, text[]),
    jobctl.refuse_view_change(text, uuid) TO jobctl_submitter, jobctl_worker, jobctl_operator;
