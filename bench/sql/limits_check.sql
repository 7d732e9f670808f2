-- After every cell: counters in memory are what plain sums of the ledger say,
-- nothing is reserved, nor pinned but by holds; :rows rows are there.  Or the run is void.
SELECT set_config('bench.rows', :'rows', false);
DO $$
DECLARE
	bad text;
	n bigint := (SELECT count(*) FROM aiusage.usage_record);
BEGIN
	IF n <> current_setting('bench.rows')::bigint THEN
		RAISE EXCEPTION '% rows acknowledged, % booked', current_setting('bench.rows'), n;
	END IF;
	bad := (SELECT string_agg(format('%s: memory %s, ledger %s, reserved %s', q.name, c.committed, l.used, c.reserved), '; ')
		FROM (SELECT quota, sum(committed) AS committed, sum(reserved) AS reserved, sum(pins) AS pins FROM aiusage.quota_counters() GROUP BY quota) AS c
		JOIN aiusage.quota AS q USING (quota)
		CROSS JOIN LATERAL (
			SELECT coalesce(sum(CASE q.metric WHEN 'requests' THEN 1 WHEN 'spend' THEN u.cost::numeric
				ELSE coalesce((u.usage::jsonb ->> 'input_tokens')::numeric, 0) + coalesce((u.usage::jsonb ->> 'output_tokens')::numeric, 0) END), 0) AS used
			FROM aiusage.usage_record AS u) AS l
		-- the hour may have turned: then its counters are two a key, and still add up
		WHERE c.committed <> l.used OR c.reserved <> 0
			-- open holds pin their counters
			OR c.pins <> 0 AND NOT EXISTS (SELECT FROM aiusage.quota_holds()));
	IF bad IS NOT NULL THEN
		RAISE EXCEPTION 'counters differ: %', bad;
	END IF;
END
$$;
