/* The ledger: ids, the trigger functions, partitions. */

CREATE FUNCTION aiusage.uuid_v7() RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_uuid_v7';
COMMENT ON FUNCTION aiusage.uuid_v7() IS 'A new id (UUIDv7) at the server''s time; ids of one session are ordered';

CREATE FUNCTION aiusage.uuid_v7(at timestamptz) RETURNS uuid
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_uuid_v7_at';
COMMENT ON FUNCTION aiusage.uuid_v7(timestamptz) IS 'A new random id (UUIDv7) at the given time; UA422 before 1970';

CREATE FUNCTION aiusage.event_id(request_id text, occurred_at timestamptz, attempt int DEFAULT 1) RETURNS uuid
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_event_id';
COMMENT ON FUNCTION aiusage.event_id(text, timestamptz, int) IS 'The id (UUIDv7) of an attempt of a request, always the same for the same arguments: replaying an insert then books once. The first 48 bits are occurred_at in milliseconds, the rest is SHA-256 of request id, attempt and time. UA422: request id empty or over 256 bytes, attempt below 1, time before 1970';

CREATE FUNCTION aiusage.id_floor(at timestamptz) RETURNS uuid
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_id_floor';
COMMENT ON FUNCTION aiusage.id_floor(timestamptz) IS 'The smallest id of a time: WHERE id >= aiusage.id_floor(now() - interval ''1 hour'') reads only the partitions and index pages since then. An event may precede its id by up to 2 days and follow it by up to 1 hour';

CREATE FUNCTION aiusage.id_time(id uuid) RETURNS timestamptz
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_id_time';
COMMENT ON FUNCTION aiusage.id_time(uuid) IS 'The time in an id, to the millisecond; UA422 when it is not a UUIDv7';

CREATE FUNCTION aiusage.system_identifier() RETURNS bigint
	LANGUAGE c STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_system_identifier';
COMMENT ON FUNCTION aiusage.system_identifier() IS 'Identifier of this cluster; books that carry another were restored from elsewhere';

CREATE FUNCTION aiusage.in_extension_script() RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_in_extension_script';
COMMENT ON FUNCTION aiusage.in_extension_script() IS 'Whether CREATE or ALTER EXTENSION is running';

CREATE FUNCTION aiusage.current_incarnation() RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_current_incarnation';
COMMENT ON FUNCTION aiusage.current_incarnation() IS 'Incarnation of the books in this cluster; starts the next one when they were restored from another';

CREATE FUNCTION aiusage.book() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'aiu_book';
COMMENT ON FUNCTION aiusage.book() IS 'Trigger of the ledger, BEFORE INSERT: validates a row, finds its owner, prices it and stamps it. Runs as the gateway, reads configuration as the owner of the books. UA403: key disabled or route not allowed; UA404: no owner in strict mode; UA409: older than retained; UA422: invalid, content or secrets; 23502: a required column is missing';

CREATE FUNCTION aiusage.append_only() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'aiu_append_only';
COMMENT ON FUNCTION aiusage.append_only() IS 'Trigger of the ledger: refuses UPDATE, DELETE and TRUNCATE (UA403)';

CREATE FUNCTION aiusage.capture_start(row_limit int) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_capture_start';
COMMENT ON FUNCTION aiusage.capture_start(int) IS 'Makes this session remember what the trigger makes of the next rows it sends, up to that many; 0 forgets. UA422 above a million';

CREATE FUNCTION aiusage.captured()
	RETURNS TABLE (seen int, id uuid, cost numeric, currency text, unpriced_reason text, matched boolean)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_captured';
COMMENT ON FUNCTION aiusage.captured() IS 'What the trigger made of the rows that this session has sent since aiusage.capture_start(), in order: a gateway may not read costs, so aiusage.ingest() answers from here. Says nothing about whether a row was stored';

CREATE FUNCTION aiusage.owner_price_row(version int, book text, provider text, model text, usage aiusage.usage, at timestamptz,
		service_tier text, endpoint text, region text, known_at timestamptz DEFAULT NULL,
		OUT cost aiusage.amount, OUT cost_by_unit aiusage.unit_costs, OUT price_version int, OUT unpriced_reason text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_price_row';
COMMENT ON FUNCTION aiusage.owner_price_row(int, text, text, text, aiusage.usage, timestamptz, text, text, text, timestamptz) IS 'Cost of a usage under a given price version (NULL: the one in force in the book at that time), as a ledger row holds it; known_at: of what else is in force, only what had been published by then. For corrections';

CREATE FUNCTION aiusage.partition_ranges()
	RETURNS TABLE (partition regclass, lower_at timestamptz, upper_at timestamptz)
	LANGUAGE sql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid::regclass,
		aiusage.id_time(substring(b.bound FROM 'FROM \(''([0-9a-f-]{36})''\)')::uuid),
		aiusage.id_time(substring(b.bound FROM 'TO \(''([0-9a-f-]{36})''\)')::uuid)
	FROM pg_inherits AS i
	JOIN pg_class AS c ON c.oid = i.inhrelid,
	LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) AS b
	WHERE i.inhparent = to_regclass('aiusage.usage_record') AND b.bound <> 'DEFAULT'
$$;
COMMENT ON FUNCTION aiusage.partition_ranges() IS 'Partitions of the ledger with the times of their ids, lower inclusive, upper exclusive; the DEFAULT partition is not listed';

CREATE FUNCTION aiusage.make_partitions(from_at timestamptz DEFAULT NULL, to_at timestamptz DEFAULT NULL)
	RETURNS TABLE (partition text, action text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.make_partitions(timestamptz, timestamptz) IS 'Makes the partitions of the ledger that are missing between two times (default: from now to setting partitions_ahead), and moves rows of those times out of the DEFAULT partition. One row a partition made. Attaching needs a short lock of the DEFAULT partition; moving rows locks the ledger while it runs. UA422: range empty or over 20 years';

CREATE FUNCTION aiusage.owner_make_partitions(from_at timestamptz, to_at timestamptz)
	RETURNS TABLE (partition text, action text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC'
	SET client_min_messages = warning
AS $$
#variable_conflict use_column
DECLARE
	width text := (SELECT value FROM aiusage.setting WHERE name = 'partition_interval');
	ahead int := (SELECT value::int FROM aiusage.setting WHERE name = 'partitions_ahead');
	unit text;
	step_width interval;
	at timestamptz;
	upper_bound timestamptz;
	covered timestamptz;
	stop_at timestamptz;
	relname text;
	misplaced boolean;
	moved bigint;
BEGIN
	unit := substring(width FROM '^1 (day|week|month)$');
	IF unit IS NULL OR ahead NOT BETWEEN 0 AND 120 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('setting partition_interval is "%s", partitions_ahead is %s', width, ahead),
			DETAIL = 'The interval is 1 day, 1 week or 1 month; the number ahead is 0 to 120.';
	END IF;
	step_width := width::interval;
	at := date_trunc(unit, coalesce(from_at, now()));
	stop_at := coalesce(to_at, date_trunc(unit, greatest(coalesce(from_at, now()), now())) + (ahead + 1) * step_width);
	IF stop_at <= at OR stop_at > at + interval '20 years' OR at < timestamptz '1971-01-01 00:00:00+00' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the range of partitions is empty, too long or too early',
			DETAIL = format('From %s to %s.', at, stop_at),
			HINT = 'At most 20 years at once, none before 1971.';
	END IF;

	-- One maker at a time; writers go on.
	PERFORM pg_advisory_xact_lock(hashtextextended('aiusage.make_partitions', 0));

	WHILE at < stop_at LOOP
		covered := (SELECT r.upper_at FROM aiusage.partition_ranges() AS r WHERE at >= r.lower_at AND at < r.upper_at);
		IF covered IS NOT NULL THEN
			at := covered;
			CONTINUE;
		END IF;
		upper_bound := least(date_trunc(unit, at) + step_width,
			(SELECT min(r.lower_at) FROM aiusage.partition_ranges() AS r WHERE r.lower_at > at));
		relname := 'usage_record_p' || to_char(at, 'YYYYMMDD');

		-- Made standing alone, then attached: CREATE ... PARTITION OF would lock the whole ledger.
		EXECUTE format('CREATE TABLE aiusage.%I (LIKE aiusage.usage_record INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS)', relname);
		-- An event may precede its id by 2 days and follow it by 1 hour: with that slack, filters on occurred_at prune.
		EXECUTE format('ALTER TABLE aiusage.%I ADD CONSTRAINT %I CHECK (occurred_at >= %L AND occurred_at < %L)',
			relname, relname || '_occurred_at', at - interval '2 days', upper_bound + interval '1 hour');
		EXECUTE format('COMMENT ON TABLE aiusage.%I IS %L', relname,
			format('Ledger rows with ids of %s to %s', at, upper_bound));

		misplaced := EXISTS (SELECT FROM aiusage.usage_record_default AS d
			WHERE d.id >= aiusage.id_floor(at) AND d.id < aiusage.id_floor(upper_bound));
		moved := 0;
		IF misplaced THEN
			-- Detached, the DEFAULT partition has no triggers: rows move as they are, txid included.
			ALTER TABLE aiusage.usage_record DETACH PARTITION aiusage.usage_record_default;
			EXECUTE format('INSERT INTO aiusage.%I SELECT * FROM aiusage.usage_record_default AS d WHERE d.id >= %L AND d.id < %L',
				relname, aiusage.id_floor(at), aiusage.id_floor(upper_bound));
			GET DIAGNOSTICS moved = ROW_COUNT;
			DELETE FROM aiusage.usage_record_default AS d
				WHERE d.id >= aiusage.id_floor(at) AND d.id < aiusage.id_floor(upper_bound);
		END IF;
		EXECUTE format('ALTER TABLE aiusage.usage_record ATTACH PARTITION aiusage.%I FOR VALUES FROM (%L) TO (%L)',
			relname, aiusage.id_floor(at), aiusage.id_floor(upper_bound));
		IF misplaced THEN
			ALTER TABLE aiusage.usage_record ATTACH PARTITION aiusage.usage_record_default DEFAULT;
		END IF;
		-- Statement triggers are not cloned from the parent.
		EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON aiusage.%I FOR EACH STATEMENT EXECUTE FUNCTION aiusage.append_only()', relname);
		EXECUTE format('ALTER TABLE aiusage.%I ENABLE ALWAYS TRIGGER append_only_truncate', relname);

		partition := relname;
		action := CASE WHEN moved > 0 THEN format('made, %s rows moved from the default partition', moved) ELSE 'made' END;
		RETURN NEXT;
		at := upper_bound;
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.owner_make_partitions(timestamptz, timestamptz) IS 'Body of aiusage.make_partitions(), as the owner of the books';
