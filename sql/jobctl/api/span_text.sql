-- drop: FUNCTION jobctl.span_text(interval)
--
-- A time span as the programs show it: 3.2s, 41s, 2m05s, 1h04m, 3d07h.
CREATE OR REPLACE FUNCTION jobctl.span_text(span interval) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (SELECT CASE WHEN a.s < 0 THEN '-' ELSE '' END ||
           CASE WHEN abs(a.s) < 9.95 THEN round(abs(a.s), 1) || 's'
                WHEN r.s < 60 THEN r.s || 's'
                WHEN r.s < 3600 THEN r.s / 60 || 'm' || lpad((r.s % 60)::text, 2, '0') || 's'
                WHEN r.s < 86400 THEN r.s / 3600 || 'h' || lpad((r.s % 3600 / 60)::text, 2, '0') || 'm'
                ELSE r.s / 86400 || 'd' || lpad((r.s % 86400 / 3600)::text, 2, '0') || 'h' END
    FROM (SELECT extract(epoch FROM span) AS s) a, LATERAL (SELECT round(abs(a.s))::bigint AS s) r);
