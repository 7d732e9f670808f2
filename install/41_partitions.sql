/*
 * Partitions of the ledger: made ahead, and made for rows that had none.
 *
 * A partition is made standing alone and then attached, which takes SHARE
 * UPDATE EXCLUSIVE on the ledger, beside which readers and writers go on, and
 * ACCESS EXCLUSIVE on the DEFAULT partition, asked for a tenth of a second at
 * a time.
 *
 * Rows that lie in DEFAULT move first, with no lock that anybody waits for:
 * one statement deletes them there and inserts them in the new table, as they
 * are.  Why no fold takes such a row twice, or never: a fold takes what its
 * snapshot sees, by the transaction id that is stored in the row, which moves
 * along.  The two versions of a moved row are one transaction's delete and
 * insert, so every snapshot sees exactly one of them: the old one as long as
 * it does not see the move, the new one from then on.  What a fold, a view or
 * verify() sees of the row is the same in both.  (An attached table is in the
 * ledger for old snapshots, too; they see nothing in it.)  Rows that came into
 * DEFAULT meanwhile move under its lock, when nobody can be writing to it.
 */

CREATE FUNCTION aiusage.make_partitions(from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
	RETURNS TABLE (partition text, action text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.make_partitions(timestamptz, timestamptz) IS 'Makes the partitions of the ledger that are missing between two times (default: from now to setting partitions_ahead), and moves rows of those times out of the DEFAULT partition; none for times whose partitions were dropped. One row a partition made. Writers go on; attaching locks the DEFAULT partition for an instant. UA422: range empty or over 20 years; 55P03: the DEFAULT partition is in use for too long';

CREATE FUNCTION aiusage.empty_default() RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.empty_default() IS 'Makes a partition for the oldest rows of the DEFAULT partition and moves them there: those of one partition_interval, or of a day where there are more than half a million. Returns what it did, NULL when DEFAULT is empty. maintain() calls it until then. 55P03: the DEFAULT partition is in use for too long';

CREATE FUNCTION aiusage.owner_partition_unit() RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	width text := (SELECT s.value FROM aiusage.setting AS s WHERE s.name = 'partition_interval');
	ahead int := (SELECT s.value::int FROM aiusage.setting AS s WHERE s.name = 'partitions_ahead');
	unit text := substring(width FROM '^1 (day|week|month)$');
BEGIN
	IF unit IS NULL OR ahead NOT BETWEEN 0 AND 120 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('setting partition_interval is "%s", partitions_ahead is %s', width, ahead),
			DETAIL = 'The interval is 1 day, 1 week or 1 month; the number ahead is 0 to 120.',
			HINT = 'UPDATE aiusage.setting SET value = ''1 month'' WHERE name = ''partition_interval''; and the like for partitions_ahead.';
	END IF;
	RETURN unit;
END
$$;
COMMENT ON FUNCTION aiusage.owner_partition_unit() IS 'Width of the ledger''s partitions: day, week or month. UA422 when the settings are not valid';

/* The partitions that are missing between two times, as wide as there is room. */
CREATE FUNCTION aiusage.owner_missing_partitions(from_at timestamptz, to_at timestamptz, unit text)
	RETURNS TABLE (lower_at timestamptz, upper_at timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	-- ids begin with 1970, which is no Monday
	at timestamptz := greatest(date_trunc(unit, from_at), timestamptz 'epoch');
	covered timestamptz;
	-- of what was dropped, ids are refused: a partition there would take them again
	retained_at timestamptz := (SELECT aiusage.id_time(nullif(b.retained_from, '00000000-0000-0000-0000-000000000000')) FROM aiusage.books AS b);
BEGIN
	at := greatest(at, retained_at);
	WHILE at < to_at LOOP
		covered := (SELECT r.upper_at FROM aiusage.partition_ranges() AS r WHERE at >= r.lower_at AND at < r.upper_at);
		IF covered IS NOT NULL THEN
			at := covered;
			CONTINUE;
		END IF;
		lower_at := at;
		upper_at := least(date_trunc(unit, at) + format('1 %s', unit)::interval,
			(SELECT min(r.lower_at) FROM aiusage.partition_ranges() AS r WHERE r.lower_at > at));
		RETURN NEXT;
		at := upper_at;
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.owner_missing_partitions(timestamptz, timestamptz, text) IS 'Ranges between two times that have no partition yet; none below the retained range';

CREATE FUNCTION aiusage.owner_move_from_default(partition regclass, lower_at timestamptz, upper_at timestamptz) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moved bigint;
BEGIN
	PERFORM aiusage.permit_change('move');
	EXECUTE format($query$
		WITH gone AS (
			DELETE FROM aiusage.usage_record_default AS d WHERE d.id >= $1 AND d.id < $2 RETURNING d.*
		)
		INSERT INTO %s SELECT g.* FROM gone AS g
	$query$, partition) USING aiusage.id_floor(lower_at), aiusage.id_floor(upper_at);
	GET DIAGNOSTICS moved = ROW_COUNT;
	PERFORM aiusage.permit_change(NULL);
	RETURN moved;
END
$$;
COMMENT ON FUNCTION aiusage.owner_move_from_default(regclass, timestamptz, timestamptz) IS 'Moves the rows of a range from the DEFAULT partition to a table that is to be attached, as they are; returns how many';

CREATE FUNCTION aiusage.owner_make_ranges(lowers timestamptz[], uppers timestamptz[])
	RETURNS TABLE (partition text, action text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC'
	SET client_min_messages = warning
	SET lock_timeout = '100ms'
AS $$
#variable_conflict use_column
DECLARE
	names text[] := ARRAY(SELECT 'usage_record_p' || to_char(l.at, 'YYYYMMDD') FROM unnest(lowers) WITH ORDINALITY AS l (at, ord) ORDER BY l.ord);
	moved bigint[] := array_fill(0::bigint, ARRAY[cardinality(lowers)]);
	tries int := 0;
BEGIN
	FOR i IN 1 .. cardinality(names) LOOP
		-- Made standing alone, then attached: CREATE ... PARTITION OF would lock the whole ledger.
		EXECUTE format('CREATE TABLE aiusage.%I (LIKE aiusage.usage_record INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)', names[i]);
		-- An event may precede its id by 2 days and follow it by 1 hour: with that slack, filters on occurred_at prune.
		EXECUTE format('ALTER TABLE aiusage.%I ADD CONSTRAINT %I CHECK (occurred_at >= %L AND occurred_at < %L)',
			names[i], names[i] || '_occurred_at', lowers[i] - interval '2 days', uppers[i] + interval '1 hour');
		EXECUTE format('COMMENT ON TABLE aiusage.%I IS %L', names[i], format('Ledger rows with ids of %s to %s', lowers[i], uppers[i]));
		moved[i] := aiusage.owner_move_from_default(format('aiusage.%I', names[i])::regclass, lowers[i], uppers[i]);
	END LOOP;

	LOOP
		BEGIN
			-- not its partitions, which a vacuum may be at
			LOCK TABLE ONLY aiusage.usage_record IN SHARE UPDATE EXCLUSIVE MODE;
			LOCK TABLE aiusage.usage_record_default IN ACCESS EXCLUSIVE MODE;
			EXIT;
		EXCEPTION WHEN lock_not_available THEN
			tries := tries + 1;
			IF tries >= 20 THEN
				RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
					MESSAGE = 'could not attach partitions: the ledger''s DEFAULT partition is in use by a transaction that does not end',
					HINT = 'pg_locks shows it. Nothing was changed; try again when it has ended.';
			END IF;
			PERFORM pg_sleep(0.05);
		END;
	END LOOP;
	FOR i IN 1 .. cardinality(names) LOOP
		moved[i] := moved[i] + aiusage.owner_move_from_default(format('aiusage.%I', names[i])::regclass, lowers[i], uppers[i]);
		EXECUTE format('ALTER TABLE aiusage.usage_record ATTACH PARTITION aiusage.%I FOR VALUES FROM (%L) TO (%L)',
			names[i], aiusage.id_floor(lowers[i]), aiusage.id_floor(uppers[i]));
		-- Statement triggers are not cloned from the parent.
		EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON aiusage.%I FOR EACH STATEMENT EXECUTE FUNCTION aiusage.append_only()', names[i]);
		EXECUTE format('ALTER TABLE aiusage.%I ENABLE ALWAYS TRIGGER append_only_truncate', names[i]);
		partition := names[i];
		action := CASE WHEN moved[i] > 0 THEN format('made, %s rows moved from the default partition', moved[i]) ELSE 'made' END;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.owner_make_ranges(timestamptz[], timestamptz[]) IS 'Makes partitions of given ranges, which have none, and moves rows of theirs out of the DEFAULT partition; for the owner of the books, who holds the lock aiusage.make_partitions';

CREATE FUNCTION aiusage.owner_make_partitions(from_at timestamptz, to_at timestamptz)
	RETURNS TABLE (partition text, action text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	unit text := aiusage.owner_partition_unit();
	ahead int := (SELECT s.value::int FROM aiusage.setting AS s WHERE s.name = 'partitions_ahead');
	at timestamptz := date_trunc(unit, coalesce(from_at, now()));
	stop_at timestamptz := coalesce(to_at, date_trunc(unit, greatest(coalesce(from_at, now()), now())) + (ahead + 1) * format('1 %s', unit)::interval);
	lowers timestamptz[];
	uppers timestamptz[];
BEGIN
	IF stop_at <= at OR stop_at > at + interval '20 years' OR at < timestamptz '1971-01-01 00:00:00+00' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the range of partitions is empty, too long or too early',
			DETAIL = format('From %s to %s.', at, stop_at),
			HINT = 'At most 20 years at once, none before 1971.';
	END IF;
	-- One maker at a time; writers go on.
	PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.make_partitions', 0));
	SELECT array_agg(m.lower_at ORDER BY m.lower_at), array_agg(m.upper_at ORDER BY m.lower_at) INTO lowers, uppers
	FROM aiusage.owner_missing_partitions(at, stop_at, unit) AS m;
	IF lowers IS NOT NULL THEN
		RETURN QUERY SELECT * FROM aiusage.owner_make_ranges(lowers, uppers);
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_make_partitions(timestamptz, timestamptz) IS 'Body of aiusage.make_partitions(), as the owner of the books';

CREATE FUNCTION aiusage.owner_empty_default() RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC'
AS $$
DECLARE
	most constant int := 500000;
	unit text := aiusage.owner_partition_unit();
	at timestamptz;
	range record;
	made text;
BEGIN
	-- Somebody else is at it.
	IF NOT pg_try_advisory_xact_lock(hashtextextended('aiusage.make_partitions', 0)) THEN
		RETURN NULL;
	END IF;
	at := (SELECT aiusage.id_time(d.id) FROM aiusage.usage_record_default AS d ORDER BY d.id LIMIT 1);
	IF at IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT * INTO range FROM aiusage.owner_missing_partitions(at, at + interval '1 millisecond', unit) AS m WHERE at >= m.lower_at AND at < m.upper_at;
	IF range.lower_at IS NULL THEN
		RETURN NULL;
	END IF;
	IF unit <> 'day' AND (SELECT count(*) > most FROM (SELECT FROM aiusage.usage_record_default AS d
			WHERE d.id >= aiusage.id_floor(range.lower_at) AND d.id < aiusage.id_floor(range.upper_at) LIMIT most + 1) AS d) THEN
		range.lower_at := greatest(range.lower_at, date_trunc('day', at));
		range.upper_at := least(range.upper_at, range.lower_at + interval '1 day');
	END IF;
	SELECT format('%s %s', m.partition, m.action) INTO made FROM aiusage.owner_make_ranges(ARRAY[range.lower_at], ARRAY[range.upper_at]) AS m;
	RETURN made;
END
$$;
COMMENT ON FUNCTION aiusage.owner_empty_default() IS 'Body of empty_default(), for the owner of the books only';
