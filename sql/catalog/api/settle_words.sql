-- drop: FUNCTION catalog.settle_words()
--
-- Sort what was just stored into the search indexes, so that the first search
-- does not have to read through it.
CREATE OR REPLACE FUNCTION catalog.settle_words() RETURNS void
LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
    SELECT gin_clean_pending_list('catalog.idx_code_chunks_text');
    SELECT gin_clean_pending_list('catalog.idx_code_chunks_trigrams');
$$;
REVOKE ALL ON FUNCTION catalog.settle_words() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION catalog.settle_words() TO jobctl_worker, jobctl_operator;
