/*
 * What the rollups keep beyond the fixed dimensions: declared tags, and users.
 *
 * Which tags are kept apart is a function of the row and the declarations.  So
 * that it is the same for rows that are folded and rows that are not, in every
 * snapshot, a declaration may begin or end only where no folded row would be
 * told apart otherwise than it was.  Whoever declares holds the row of
 * fold_state, and leaves a new version of it: the folds after it see the
 * declaration, or fail with 40001 when their snapshot is older.
 */

-- Declared tags --------------------------------------------------------------

CREATE FUNCTION aiusage.owner_last_folded_with_tag(tag text, from_at timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
BEGIN
	-- Not a change, but a version that a fold in an older snapshot stumbles over.
	UPDATE aiusage.fold_state AS f SET folds = f.folds;
	RETURN (
		SELECT max(u.occurred_at)
		FROM aiusage.usage_record AS u
		CROSS JOIN aiusage.fold_state AS f
		WHERE u.occurred_at >= from_at
			AND u.tags ? owner_last_folded_with_tag.tag
			AND u.txid < f.boundary AND u.txid <> ALL (f.running));
END
$$;
COMMENT ON FUNCTION aiusage.owner_last_folded_with_tag(text, timestamptz) IS 'When the last request with a tag happened, of those from a time on that are folded; NULL: none. Keeps folds out until the end of the transaction';

CREATE FUNCTION aiusage.guard_tag_declaration() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	at timestamptz;
	last_at timestamptz;
BEGIN
	IF TG_OP NOT IN ('INSERT', 'UPDATE') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'tag declarations are not deleted',
			DETAIL = 'The rollups were made by them.',
			HINT = 'aiusage.withdraw_tag() ends one.';
	END IF;
	IF TG_OP = 'UPDATE' THEN
		IF to_jsonb(NEW) - '{declared_until,description}'::text[] IS DISTINCT FROM to_jsonb(OLD) - '{declared_until,description}'::text[]
			OR (OLD.declared_until IS NOT NULL AND NEW.declared_until IS DISTINCT FROM OLD.declared_until) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = format('the declaration of tag "%s" cannot be changed', OLD.tag),
				DETAIL = 'The rollups were made by it; only its description, and once its end, may be set.',
				HINT = 'aiusage.declare_tag() ends it and makes another one.';
		END IF;
		IF NEW.declared_until IS NOT DISTINCT FROM OLD.declared_until THEN
			RETURN NEW;
		END IF;
	END IF;

	at := CASE TG_OP WHEN 'INSERT' THEN NEW.declared_from ELSE NEW.declared_until END;
	last_at := aiusage.owner_last_folded_with_tag(NEW.tag, at);
	IF last_at IS NOT NULL AND (TG_OP = 'UPDATE' OR NOT NEW.retroactive) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('usage with tag "%s" from %s on is in the rollups already', NEW.tag, at),
			DETAIL = format('The last of it happened at %s.', last_at),
			HINT = 'Leave the time out: the declaration then holds from now on. For the past, declare it with retroactive => true, and CALL aiusage.rebuild_rollups() after it.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_tag_declaration() IS 'Trigger of aiusage.tag_declaration: of a row only the description and, once, the end may change (UA403), and nothing may begin or end where folded usage would be told apart otherwise (UA409)';

CREATE FUNCTION aiusage.declare_tag(tag text, description text DEFAULT NULL, allowed_values text[] DEFAULT NULL,
	from_at timestamptz DEFAULT NULL, max_values int DEFAULT 1000, retroactive boolean DEFAULT false) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.declare_tag(text, text, text[], timestamptz, int, boolean) IS 'Keeps requests apart by one of their tags in the rollups, from a time on (NULL: now), and returns its slot, 1 to 8: its column tag_N of usage_daily and usage_hourly. allowed_values: any other value counts as (other); NULL: any value, until a day has more than max_values of them (aiusage.cap_tags()). A tag that is declared already is declared anew from then on where its values change. retroactive: also where usage with the tag from that time on is in the rollups already, up to where the tag is declared; then CALL aiusage.rebuild_rollups() for these days, and until it has gone over them aiusage.verify() reports what differs (no total does). Errors: UA409 with eight tags declared, or when usage with the tag from that time on is in the rollups already and it is not retroactive; UA422 for no or an over-long name or value, or a tag that has had more than max_values values within a day';

CREATE FUNCTION aiusage.owner_declare_tag(tag text, description text, allowed_values text[], from_at timestamptz, max_values int, retroactive boolean)
	RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	list text[] := (SELECT array_agg(DISTINCT v COLLATE "C" ORDER BY v COLLATE "C") FROM unnest(owner_declare_tag.allowed_values) AS v);
	n bigint;
BEGIN
	IF owner_declare_tag.tag IS NULL OR octet_length(owner_declare_tag.tag) NOT BETWEEN 1 AND 64 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a tag to declare needs a name of 1 to 64 bytes',
			HINT = 'It is a name as it stands in column tags: aiusage.declare_tag(''feature'').';
	END IF;
	IF owner_declare_tag.allowed_values IS NOT NULL AND (list IS NULL OR cardinality(list) > 1000
		OR array_position(owner_declare_tag.allowed_values, NULL) IS NOT NULL) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('tag "%s" needs 1 to 1000 allowed values', owner_declare_tag.tag),
			HINT = 'Leave them out to allow any value.';
	END IF;
	IF owner_declare_tag.max_values IS NULL OR owner_declare_tag.max_values NOT BETWEEN 1 AND 100000 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'max_values must be from 1 to 100000',
			HINT = 'It is how many values a tag may have a day; 1000 is the default.';
	END IF;
	IF owner_declare_tag.from_at IS NOT NULL AND NOT isfinite(owner_declare_tag.from_at) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a tag is declared from a time on',
			HINT = 'Leave from_at out: the declaration then holds from now on.';
	END IF;

	-- A tag that is different in every request is better found now than in the rollups.
	IF list IS NULL THEN
		n := (SELECT count(DISTINCT r.value)
			FROM (SELECT u.tags ->> owner_declare_tag.tag AS value
				FROM aiusage.usage_record AS u
				WHERE u.id >= aiusage.id_floor(now() - interval '1 day') AND u.tags ? owner_declare_tag.tag
				LIMIT 100000) AS r);
		IF n > owner_declare_tag.max_values THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = format('tag "%s" has too many values to be kept apart by', owner_declare_tag.tag),
				DETAIL = format('Requests of the last day had %s; max_values is %s.', n, owner_declare_tag.max_values),
				HINT = 'Name the values that matter in allowed_values; the others then count as (other).';
		END IF;
	END IF;

	RETURN aiusage.owner_put_tag(owner_declare_tag.tag, owner_declare_tag.description, list, owner_declare_tag.from_at,
		owner_declare_tag.max_values, false, coalesce(owner_declare_tag.retroactive, false));
END
$$;
COMMENT ON FUNCTION aiusage.owner_declare_tag(text, text, text[], timestamptz, int, boolean) IS 'Body of declare_tag(), for the owner of the books only';

CREATE FUNCTION aiusage.owner_put_tag(tag text, description text, allowed_values text[], from_at timestamptz, max_values int, capped boolean,
	retroactive boolean)
	RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	present aiusage.tag_declaration;
	begins timestamptz;
	ends timestamptz;
	last_at timestamptz;
	free int;
BEGIN
	-- One at a time, with folds kept out.
	last_at := aiusage.owner_last_folded_with_tag(owner_put_tag.tag, coalesce(owner_put_tag.from_at, clock_timestamp()));
	SELECT * INTO present FROM aiusage.tag_declaration AS d
	WHERE d.tag = owner_put_tag.tag AND (d.declared_until IS NULL OR d.declared_until > clock_timestamp())
	ORDER BY d.declared_from DESC LIMIT 1;
	IF present.declaration IS NOT NULL AND present.declared_until IS NULL
		AND present.capped = owner_put_tag.capped AND present.allowed_values IS NOT DISTINCT FROM owner_put_tag.allowed_values
		AND (present.max_values = owner_put_tag.max_values OR owner_put_tag.allowed_values IS NOT NULL)
		AND (owner_put_tag.from_at IS NULL OR owner_put_tag.from_at >= present.declared_from)
	THEN
		UPDATE aiusage.tag_declaration AS d SET description = owner_put_tag.description
		WHERE d.declaration = present.declaration AND d.description IS DISTINCT FROM owner_put_tag.description
			AND owner_put_tag.description IS NOT NULL;
		RETURN present.slot;
	END IF;

	-- Gateways whose clocks are ahead: after the last of theirs.
	begins := coalesce(owner_put_tag.from_at, last_at + interval '1 microsecond', clock_timestamp());
	IF owner_put_tag.retroactive THEN
		SELECT d.declared_from, d.slot INTO ends, free FROM aiusage.tag_declaration AS d
		WHERE d.tag = owner_put_tag.tag AND d.declared_from > begins ORDER BY d.declared_from LIMIT 1;
	END IF;
	IF free IS NOT NULL THEN
		NULL;	-- up to where it is declared
	ELSIF present.declaration IS NOT NULL AND present.declared_until IS NULL AND begins >= present.declared_from THEN
		UPDATE aiusage.tag_declaration AS d SET declared_until = begins WHERE d.declaration = present.declaration;
		free := present.slot;
	ELSE
		-- Its own slot again, else one that was never used, else the one that is longest free.
		free := (SELECT s.slot
			FROM generate_series(1, 8) AS s (slot)
			LEFT JOIN LATERAL (
				SELECT max(d.declared_until) AS until, bool_or(d.tag = owner_put_tag.tag) AS own
				FROM aiusage.tag_declaration AS d WHERE d.slot = s.slot
			) AS u ON true
			WHERE NOT EXISTS (SELECT FROM aiusage.tag_declaration AS d
				WHERE d.slot = s.slot AND (d.declared_until IS NULL OR d.declared_until > begins))
			ORDER BY u.own IS TRUE DESC, u.until NULLS FIRST, s.slot LIMIT 1);
	END IF;
	IF free IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('tag "%s" cannot be declared beside eight others', owner_put_tag.tag),
			DETAIL = format('Declared are: %s.', (SELECT string_agg(d.tag, ', ' ORDER BY d.slot) FROM aiusage.tag_declaration AS d
				WHERE d.declared_until IS NULL OR d.declared_until > begins)),
			HINT = 'Withdraw one with aiusage.withdraw_tag().';
	END IF;
	INSERT INTO aiusage.tag_declaration (tag, slot, declared_from, declared_until, allowed_values, max_values, capped, retroactive, description, created_by)
	VALUES (owner_put_tag.tag, free, begins, ends, owner_put_tag.allowed_values, owner_put_tag.max_values, owner_put_tag.capped, owner_put_tag.retroactive,
		coalesce(owner_put_tag.description, present.description), aiusage.acting_role());
	RETURN free;
EXCEPTION WHEN exclusion_violation THEN
	RAISE EXCEPTION USING ERRCODE = 'UA409',
		MESSAGE = format('tag "%s" or its column is declared already for a part of that time', owner_put_tag.tag),
		HINT = 'See aiusage.tag_declaration; aiusage.withdraw_tag() ends what holds now.';
END
$$;
COMMENT ON FUNCTION aiusage.owner_put_tag(text, text, text[], timestamptz, int, boolean, boolean) IS 'Makes a declaration of a tag that was checked, and ends the one before; returns its slot. For the owner of the books. Errors: UA409';

CREATE FUNCTION aiusage.withdraw_tag(tag text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.withdraw_tag(text) IS 'Ends the declaration of a tag: requests from now on are not kept apart by it any more; what was stays. False when it is not declared';

CREATE FUNCTION aiusage.owner_withdraw_tag(tag text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	last_at timestamptz := aiusage.owner_last_folded_with_tag(owner_withdraw_tag.tag, clock_timestamp());
BEGIN
	UPDATE aiusage.tag_declaration AS d
	SET declared_until = greatest(d.declared_from, coalesce(last_at + interval '1 microsecond', clock_timestamp()))
	WHERE d.tag = owner_withdraw_tag.tag AND d.declared_until IS NULL;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION aiusage.owner_withdraw_tag(text) IS 'Body of withdraw_tag(), for the owner of the books only';

/*
 * A gateway that puts an id of its requests into a declared tag makes a set of
 * dimensions a request.  Which values came first is nothing that a fold can go
 * by, for another order would fold otherwise.  So maintain() looks at how many
 * values a day has, and ends an open declaration in favour of a list of
 * those that matter: a change of configuration like any other, dated, audited
 * and the same for everybody who computes with it.
 */
CREATE FUNCTION aiusage.cap_tags() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.cap_tags() IS 'Declares anew, from now on with a list of its most frequent values, each tag that was declared without one and has had more than its max_values on one of the last three days since it was declared; other values then count as (other). Returns how many tags; maintain() calls it, aiusage.status() warns of them';

CREATE FUNCTION aiusage.owner_cap_tags() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	d record;
	list text[];
	capped bigint := 0;
BEGIN
	FOR d IN SELECT * FROM aiusage.owner_tag_values() AS v WHERE v.most > v.max_values ORDER BY v.tag LOOP
		list := ARRAY(
			SELECT x.value
			FROM (
				SELECT s.tags::jsonb ->> d.tag AS value, sum(r.requests) AS requests
				FROM aiusage.rollup_daily AS r
				JOIN aiusage.rollup_dimension AS s ON s.dimension = r.dimension
				WHERE r.day >= (now() AT TIME ZONE 'UTC')::date - 2 AND s.tags::jsonb ? d.tag
				GROUP BY 1
			) AS x
			ORDER BY x.requests DESC, x.value COLLATE "C"
			LIMIT least(d.max_values, 1000));
		PERFORM aiusage.owner_put_tag(d.tag, d.description, list, NULL, d.max_values, true, false);
		capped := capped + 1;
	END LOOP;
	RETURN capped;
END
$$;
COMMENT ON FUNCTION aiusage.owner_cap_tags() IS 'Body of cap_tags(), for the owner of the books only';

CREATE FUNCTION aiusage.owner_tag_values() RETURNS TABLE (tag text, description text, max_values int, most bigint)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM aiusage.tag_declaration AS d WHERE d.declared_until IS NULL AND d.allowed_values IS NULL) THEN
		RETURN;
	END IF;
	RETURN QUERY
		SELECT d.tag, d.description, d.max_values, coalesce(max(n.n), 0)
		FROM aiusage.tag_declaration AS d
		LEFT JOIN (
			SELECT r.day, t.key, count(DISTINCT t.value) AS n
			FROM (
				SELECT DISTINCT r.day, s.tags
				FROM aiusage.rollup_daily AS r
				JOIN aiusage.rollup_dimension AS s ON s.dimension = r.dimension
				WHERE r.day >= (now() AT TIME ZONE 'UTC')::date - 2 AND s.tags IS NOT NULL
			) AS r
			CROSS JOIN LATERAL jsonb_each_text(r.tags::jsonb) AS t
			GROUP BY r.day, t.key
		) AS n ON n.key = d.tag AND n.day >= (d.declared_from AT TIME ZONE 'UTC')::date
		WHERE d.declared_until IS NULL AND d.allowed_values IS NULL
		GROUP BY d.declaration
		ORDER BY d.slot;
END
$$;
COMMENT ON FUNCTION aiusage.owner_tag_values() IS 'Declared tags without a list of values, and the most values that one of the last three days has had, of what is folded';

-- Users ----------------------------------------------------------------------

CREATE FUNCTION aiusage.guard_user_level() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND OLD.ends_at IS NULL AND to_jsonb(NEW) - 'ends_at' = to_jsonb(OLD) - 'ends_at' THEN
		RETURN NEW;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = 'the times in which usage is summed by user are not changed or deleted',
		DETAIL = 'The rollups were made by them.',
		HINT = 'Call aiusage.enable_user_usage() or aiusage.disable_user_usage().';
END
$$;
COMMENT ON FUNCTION aiusage.guard_user_level() IS 'Trigger of aiusage.user_level: of a row only the end may be set, once (UA403)';

CREATE FUNCTION aiusage.owner_fold_users(from_boundary bigint, from_running bigint[], to_boundary bigint, to_running bigint[],
	since timestamptz DEFAULT '-infinity')
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_seqscan = off
AS $$
DECLARE
	added bigint;
BEGIN
	-- In key order, as everybody who writes this table.
	EXECUTE format($query$
		INSERT INTO aiusage.rollup_user_daily AS r (day, user_id, assignment, customer, currency, charge_currency,
			records, requests, errors, accepted, unpriced, cost, failed_cost, charge, usage, usage_reversed)
		SELECT s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency,
			sum(s.records), sum(s.requests), sum(s.errors), sum(s.accepted), sum(s.unpriced),
			sum(s.cost), sum(s.failed_cost), sum(s.charge),
			coalesce(aiusage.sum(s.usage), '{}'), coalesce(aiusage.sum(s.usage_reversed), '{}')
		FROM (%s) AS s
		WHERE s.occurred_at >= $5
		GROUP BY s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency
		ORDER BY s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency
		ON CONFLICT (day, user_id, assignment, customer, currency, charge_currency) DO UPDATE SET
			records = r.records + excluded.records,
			requests = r.requests + excluded.requests,
			errors = r.errors + excluded.errors,
			accepted = r.accepted + excluded.accepted,
			unpriced = r.unpriced + excluded.unpriced,
			cost = r.cost + excluded.cost,
			failed_cost = r.failed_cost + excluded.failed_cost,
			charge = r.charge + excluded.charge,
			usage = r.usage OPERATOR(aiusage.+) excluded.usage,
			usage_reversed = r.usage_reversed OPERATOR(aiusage.+) excluded.usage_reversed
	$query$, aiusage.owner_folding('rollup_user_source')) USING from_boundary, from_running, to_boundary, to_running, since;
	GET DIAGNOSTICS added = ROW_COUNT;
	RETURN added;
END
$$;
COMMENT ON FUNCTION aiusage.owner_fold_users(bigint, bigint[], bigint, bigint[], timestamptz) IS 'Adds the rows that are folded under one snapshot and were not under another, of requests since a time, to rollup_user_daily; returns to how many of its rows. Snapshots are given as fold_state keeps them. For the owner of the books, who holds its row';

-- The day's sums by user anew: for a rebuild, which holds the row of fold_state.
CREATE FUNCTION aiusage.owner_rebuild_users(day date) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	measures constant text[] := ARRAY['records', 'requests', 'errors', 'accepted', 'unpriced', 'cost', 'failed_cost', 'charge', 'usage', 'usage_reversed'];
	keys constant text[] := ARRAY['day', 'user_id', 'assignment', 'customer', 'currency', 'charge_currency'];
	changed bigint;
BEGIN
	IF NOT EXISTS (SELECT FROM aiusage.user_level) AND NOT EXISTS (SELECT FROM aiusage.rollup_user_daily AS r WHERE r.day = owner_rebuild_users.day) THEN
		RETURN 0;
	END IF;
	EXECUTE aiusage.owner_repair_statement('rollup_user_daily', keys, format($query$
		SELECT %1$s, sum(s.records) AS records, sum(s.requests) AS requests, sum(s.errors) AS errors, sum(s.accepted) AS accepted,
			sum(s.unpriced) AS unpriced, sum(s.cost) AS cost, sum(s.failed_cost) AS failed_cost, sum(s.charge) AS charge,
			coalesce(aiusage.sum(s.usage), '{}') AS usage, coalesce(aiusage.sum(s.usage_reversed), '{}') AS usage_reversed
		FROM aiusage.rollup_user_source AS s CROSS JOIN aiusage.fold_state AS f
		WHERE s.occurred_at >= $3 AND s.occurred_at < $4 AND s.day >= $1 AND s.day < $2
			AND s.txid < f.boundary AND s.txid <> ALL (f.running)
		GROUP BY %1$s
	$query$, 's.' || array_to_string(keys, ', s.')), array_to_string(measures, ', '),
		(SELECT string_agg(CASE WHEN m LIKE 'usage%' THEN format('r.%1$I::text = n.%1$I::text', m) ELSE format('r.%1$I = n.%1$I', m) END, ' AND ')
			FROM unnest(measures) AS m),
		(SELECT string_agg(format('%1$I = n.%1$I', m), ', ') FROM unnest(measures) AS m))
		INTO changed USING day, day + 1, (day - 1)::timestamp AT TIME ZONE 'UTC', (day + 2)::timestamp AT TIME ZONE 'UTC';
	RETURN changed;
END
$$;
COMMENT ON FUNCTION aiusage.owner_rebuild_users(date) IS 'Computes a day''s sums by user anew from the ledger and writes what differs; returns how many rows did. For owner_rebuild_slice(), which holds the row of fold_state';

CREATE FUNCTION aiusage.enable_user_usage(from_at timestamptz DEFAULT NULL) RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.enable_user_usage(timestamptz) IS 'Sums usage by user too, of requests that happen from a time on (NULL: now), and returns it; what is in the ledger from then on is added at once, with folds kept out. Does nothing when it is on already. Errors: UA409 when the time is before one for which it was on, UA422 for an infinite time or one ahead';

CREATE FUNCTION aiusage.owner_enable_user_usage(from_at timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	begins timestamptz;
	last_end timestamptz;
BEGIN
	-- One at a time, with folds kept out.
	UPDATE aiusage.fold_state AS f SET folds = f.folds;
	begins := (SELECT u.starts_at FROM aiusage.user_level AS u WHERE u.ends_at IS NULL);
	IF begins IS NOT NULL THEN
		RETURN begins;
	END IF;
	last_end := (SELECT max(u.ends_at) FROM aiusage.user_level AS u);
	begins := coalesce(owner_enable_user_usage.from_at, greatest(clock_timestamp(), last_end));
	IF NOT isfinite(begins) OR begins > greatest(clock_timestamp(), last_end) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'usage is summed by user from a time on that is not ahead',
			HINT = 'Leave the time out to begin now.';
	END IF;
	IF begins < last_end THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('usage until %s was summed by user already', last_end),
			HINT = 'Begin there, or later.';
	END IF;
	INSERT INTO aiusage.user_level (starts_at, created_by) VALUES (begins, aiusage.acting_role());
	PERFORM aiusage.owner_fold_users(0, '{}', f.boundary, f.running, begins) FROM aiusage.fold_state AS f;
	RETURN begins;
END
$$;
COMMENT ON FUNCTION aiusage.owner_enable_user_usage(timestamptz) IS 'Body of enable_user_usage(), for the owner of the books only';

CREATE FUNCTION aiusage.disable_user_usage() RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.disable_user_usage() IS 'Sums usage by user no longer, from now on; what was summed stays. False when it was not on';

CREATE FUNCTION aiusage.owner_disable_user_usage() RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	ends timestamptz := clock_timestamp();
BEGIN
	UPDATE aiusage.fold_state AS f SET folds = f.folds;
	-- Gateways whose clocks are ahead: after the last of theirs.
	UPDATE aiusage.user_level AS l
	SET ends_at = coalesce((
		SELECT max(u.occurred_at) + interval '1 microsecond'
		FROM aiusage.usage_record AS u CROSS JOIN aiusage.fold_state AS f
		WHERE u.occurred_at >= ends AND u.user_id IS NOT NULL AND u.txid < f.boundary AND u.txid <> ALL (f.running)), ends)
	WHERE l.ends_at IS NULL;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION aiusage.owner_disable_user_usage() IS 'Body of disable_user_usage(), for the owner of the books only';

-- The day grain in any zone is in 53_usage_by_day.sql.

CREATE FUNCTION aiusage.nonzero_usage(usage aiusage.usage) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(concat(n.unit, '=', trim_scale(n.quantity)), ',' ORDER BY n.unit), '')
	FROM aiusage.unnest_usage(nonzero_usage.usage) AS n
	WHERE n.quantity <> 0
$$;
COMMENT ON FUNCTION aiusage.nonzero_usage(aiusage.usage) IS 'Internal. A usage as text, without units of which there is none: what was taken away again leaves 0';

CREATE FUNCTION aiusage.owner_verify_users(OUT check_name text, OUT ok boolean, OUT expected text, OUT actual text, OUT detail text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH retained AS (
		-- what partitions that were dropped held of a day is not in the ledger
		SELECT CASE WHEN b.retained_from = '00000000-0000-0000-0000-000000000000' THEN '-infinity'
			ELSE (aiusage.id_time(b.retained_from) AT TIME ZONE 'UTC')::date + 2 END AS from_day
		FROM aiusage.books AS b
	), sides AS (
		SELECT true AS of_ledger, s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency, s.records, s.requests, s.errors,
			s.accepted, s.unpriced, s.cost, s.failed_cost, s.charge, s.usage, s.usage_reversed
		FROM aiusage.rollup_user_source AS s
		UNION ALL
		SELECT false, s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency, s.records, s.requests, s.errors,
			s.accepted, s.unpriced, s.cost, s.failed_cost, s.charge, s.usage, s.usage_reversed
		FROM aiusage.rollup_user_live AS s
	), sums AS (
		SELECT s.of_ledger, s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency,
			concat_ws(' ', sum(s.records), sum(s.requests), sum(s.errors), sum(s.accepted), sum(s.unpriced),
				trim_scale(sum(s.cost)), trim_scale(sum(s.failed_cost)), trim_scale(sum(s.charge)),
				aiusage.nonzero_usage(aiusage.sum(s.usage)), aiusage.nonzero_usage(aiusage.sum(s.usage_reversed))) AS measures
		FROM sides AS s
		CROSS JOIN retained AS r
		WHERE s.day >= r.from_day
		GROUP BY s.of_ledger, s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency
	)
	SELECT 'rollup_user_daily: every day and user', count(*) = 0, '0', count(*)::text,
		'Sums by user of which any measure differs between ledger and rollup, or that only one of them has'
			|| coalesce('; the first: day ' || min(d.day)::text, '')
	FROM (
		SELECT s.day
		FROM sums AS s
		GROUP BY s.day, s.user_id, s.assignment, s.customer, s.currency, s.charge_currency
		HAVING count(*) <> 2 OR min(s.measures) <> max(s.measures)
	) AS d;
END
$$;
COMMENT ON FUNCTION aiusage.owner_verify_users() IS 'The check of verify() that sums by user equal the ledger';
