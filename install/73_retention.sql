/*
 * Retention: partitions that are due are frozen, sealed, detached and dropped.
 *
 * Why no row is lost and none comes twice:
 *
 * - Freezing holds the partition alone, in SHARE mode: no transaction that has
 *	 written to it is still open (prepared ones hold their lock, too), and who
 *	 comes meanwhile waits.  It raises books.retained_from; the invalidation is
 *	 sent before the lock is given back, and whoever then gets the lock reads
 *	 it before its first row is booked (a lock of a relation that was not held
 *	 before always looks for invalidations).  So no row comes in afterwards,
 *	 and an id of the range is refused (UA409): neither lost in silence nor
 *	 booked twice.
 * - Sealing reads what no longer changes, and only when all of it is folded:
 *	 its sums are then part of the rollups, and rollup = sealed + raw.
 * - Detaching waits until whoever could look at the books as they were before
 *	 the sealing has ended, since a detached partition is gone for old
 *	 snapshots, too; then it needs the ledger for an instant, and asks for it
 *	 a tenth of a second at a time: writers never wait for it longer.
 *	 Up to here a reader has all rows, from here on it has the sums.
 */

CREATE FUNCTION aiusage.guard_ledger_partition() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND NEW.number = OLD.number AND NEW.partition = OLD.partition AND NEW.lower_at = OLD.lower_at
		AND NEW.upper_at = OLD.upper_at AND OLD.state <> 'dropped'
		-- what was sealed before identifiers were erased, or a limit published, is sealed anew
		AND (NEW.state = OLD.state OR (OLD.state, NEW.state) IN (('kept', 'frozen'), ('frozen', 'sealed'), ('sealed', 'frozen'),
			('sealed', 'detached'), ('detached', 'dropped')))
	THEN
		RETURN NEW;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = 'what has become of a partition cannot be changed',
		DETAIL = 'The ledger refuses ids by it, and verify() proves the rollups with it.',
		HINT = 'maintain() and aiusage.enforce_retention() write it; there is nothing to be mended here.';
END
$$;
COMMENT ON FUNCTION aiusage.guard_ledger_partition() IS 'Trigger: a partition goes from state to state, and is not forgotten (UA403)';

CREATE FUNCTION aiusage.owner_kept_ranges() RETURNS TABLE (lower_id uuid, upper_id uuid)
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT aiusage.id_floor(r.lower_at), aiusage.id_floor(r.upper_at)
	FROM aiusage.partition_ranges() AS r
	CROSS JOIN aiusage.books AS b
	WHERE aiusage.id_floor(r.upper_at) <= b.retained_from
		AND NOT EXISTS (SELECT FROM aiusage.ledger_partition AS p
			WHERE p.state <> 'kept' AND p.lower_at < r.upper_at AND p.upper_at > r.lower_at)
$$;
COMMENT ON FUNCTION aiusage.owner_kept_ranges() IS 'Partitions below books.retained_from whose ids are still taken: older than one that was dropped, and kept for longer';

CREATE FUNCTION aiusage.owner_takes_rows_of(at timestamptz) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT aiusage.id_floor(at) >= b.retained_from
		OR EXISTS (SELECT FROM aiusage.owner_kept_ranges() AS k WHERE aiusage.id_floor(at) >= k.lower_id AND aiusage.id_floor(at) < k.upper_id)
	FROM aiusage.books AS b
$$;
COMMENT ON FUNCTION aiusage.owner_takes_rows_of(timestamptz) IS 'Whether ids of a time are taken, or refused (UA409) since retention has dropped its partition';

-- Retention classes --------------------------------------------------------

CREATE FUNCTION aiusage.put_retention_class(class text, keep interval, keep_identifiers interval DEFAULT NULL, note text DEFAULT NULL) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.put_retention_class(text, interval, interval, text) IS 'Says how long ledger rows of a class of keys are kept (NULL: for ever), and how long their identifiers (NULL: as long). A class called as a scope class (development, production, ...) is of all keys of that class which name no other; default is of the rest. False when nothing changed. Errors: UA422 for less than a day, or identifiers that are to outlive their rows';

CREATE FUNCTION aiusage.owner_put_retention_class(class text, keep interval, keep_identifiers interval, note text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	name text := owner_put_retention_class.class;
	rows_for interval := owner_put_retention_class.keep;
	identifiers_for interval := owner_put_retention_class.keep_identifiers;
	about text := owner_put_retention_class.note;
	changed bigint;
BEGIN
	IF coalesce(name, '') = '' OR octet_length(name) > 256 OR octet_length(about) NOT BETWEEN 1 AND 256 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a retention class needs a name, and name and note have at most 256 bytes',
			HINT = 'For example aiusage.put_retention_class(''default'', ''13 months'', NULL, ''finance policy 7'').';
	END IF;
	IF rows_for < interval '1 day' OR identifiers_for < interval '1 day' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'rows and identifiers are kept for at least a day',
			DETAIL = 'Events may come two days late, and are refused when their partition has gone.',
			HINT = 'NULL keeps them for ever.';
	END IF;
	IF identifiers_for > rows_for THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'identifiers cannot outlive their rows',
			DETAIL = format('Rows would be kept for %s, identifiers for %s.', rows_for, identifiers_for),
			HINT = 'Keep identifiers for as long as the rows (NULL), or shorter.';
	END IF;
	INSERT INTO aiusage.retention_class AS c (class, keep, keep_identifiers, note)
	VALUES (name, rows_for, identifiers_for, about)
	ON CONFLICT ON CONSTRAINT retention_class_pkey DO UPDATE
		SET keep = excluded.keep, keep_identifiers = excluded.keep_identifiers, note = excluded.note
		WHERE (c.keep, c.keep_identifiers, c.note) IS DISTINCT FROM (excluded.keep, excluded.keep_identifiers, excluded.note);
	GET DIAGNOSTICS changed = ROW_COUNT;
	-- What was held by the class is looked at anew.
	UPDATE aiusage.ledger_partition AS p SET checked_at = NULL WHERE p.state = 'kept' AND changed > 0;
	RETURN changed > 0;
END
$$;
COMMENT ON FUNCTION aiusage.owner_put_retention_class(text, interval, interval, text) IS 'Body of put_retention_class(), for the owner of the books only';

CREATE FUNCTION aiusage.drop_retention_class(class text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.drop_retention_class(text) IS 'Removes a retention class. Errors: UA404 for no such class, UA409 for one that keys name, UA403 for default';

CREATE FUNCTION aiusage.owner_drop_retention_class(class text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	name text := owner_drop_retention_class.class;
	first text := (SELECT min(k.api_key) FROM aiusage.api_key AS k WHERE k.retention_class = owner_drop_retention_class.class);
BEGIN
	IF name = 'default' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'retention class "default" cannot be removed',
			HINT = 'put_retention_class(''default'', NULL) keeps its rows for ever.';
	ELSIF first IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('retention class "%s" is in use', left(name, 64)),
			DETAIL = format('Key "%s" names it.', first),
			HINT = 'Give its keys another one with aiusage.put_key().';
	END IF;
	DELETE FROM aiusage.retention_class AS c WHERE c.class = name;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('retention class "%s" does not exist', left(coalesce(name, 'null'), 64)),
			HINT = 'aiusage.retention_class lists those there are.';
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_drop_retention_class(text) IS 'Body of drop_retention_class(), for the owner of the books only';

-- What holds a partition ---------------------------------------------------

CREATE FUNCTION aiusage.owner_partition_unfolded(partition regclass) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	found_row boolean;
BEGIN
	EXECUTE format($query$
		SELECT EXISTS (SELECT FROM %1$s AS u WHERE u.txid >= (SELECT f.boundary FROM aiusage.fold_state AS f))
			OR EXISTS (SELECT FROM %1$s AS u WHERE u.txid = ANY (ARRAY(SELECT unnest(f.running) FROM aiusage.fold_state AS f)))
	$query$, partition) INTO found_row;
	RETURN found_row;
END
$$;
COMMENT ON FUNCTION aiusage.owner_partition_unfolded(regclass) IS 'Whether a partition has rows that are not folded yet';

/*
 * From when on usage counts in windows of limits that are open: late usage
 * counts when it is recorded, history that was imported when it occurred.
 */
CREATE FUNCTION aiusage.owner_open_windows() RETURNS TABLE (quota int, name text, api_key text, since timestamptz, published_at timestamptz)
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT q.quota, q.name, q.api_key, CASE WHEN q.sliding THEN w.starts_at - 12 * (w.ends_at - w.starts_at) ELSE w.starts_at END, q.published_at
	FROM aiusage.quota AS q, LATERAL aiusage.quota_window(q.quota, clock_timestamp()) AS w
	WHERE q.status = 'active' AND q.metric <> 'concurrency' AND q."window" NOT IN ('total', 'invoice_period')
$$;
COMMENT ON FUNCTION aiusage.owner_open_windows() IS 'Since when the open windows of bounded limits count; a total loads from what is folded, and a limit by invoice period from periods that are open';

/*
 * What a contract comes to is booked at the last moment of its period, and may
 * be owed without any usage: a minimum.  So its period holds what it overlaps,
 * rows or not; and it holds later partitions, too, when it ends where there is
 * no partition, for ids below the last one that was dropped are refused.  What
 * is older than the first partition there ever was is left to whoever enters a
 * contract for it.
 */
CREATE FUNCTION aiusage.owner_contract_due(lower_at timestamptz, upper_at timestamptz) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC'
AS $$
DECLARE
	-- older ids are refused already, or may be of a time before these books
	since constant timestamptz := least(lower_at, (SELECT greatest(min(p.lower_at), max(p.upper_at) FILTER (WHERE p.state <> 'kept'))
		FROM aiusage.ledger_partition AS p));
	number int;
	at timestamptz;
	period int;
	ends_at timestamptz;
	contract text;
BEGIN
	FOR number IN
		SELECT DISTINCT coalesce(cc.calendar, 1)
		FROM aiusage.contract AS c
		-- nobody's key is in the global one
		CROSS JOIN LATERAL (SELECT a.cost_center FROM aiusage.key_assignment AS a WHERE a.api_key = c.api_key UNION ALL SELECT NULL) AS a
		LEFT JOIN aiusage.cost_center AS cc ON cc.cost_center = a.cost_center
		ORDER BY 1
	LOOP
		at := since;
		LOOP
			period := aiusage.period_of(number, at);
			ends_at := aiusage.period_ends_at(period);
			IF aiusage.period_status(period) NOT IN ('closed', 'invoiced')
				AND (ends_at > lower_at OR NOT EXISTS (SELECT FROM aiusage.partition_ranges() AS r WHERE r.lower_at < ends_at AND r.upper_at >= ends_at)) THEN
				contract := (SELECT min(c.contract) FROM aiusage.owner_contracts_of(period) AS c);
				IF contract IS NOT NULL THEN
					RETURN format('contract "%s": its period %s is not closed', contract, aiusage.period_label(period));
				END IF;
			END IF;
			EXIT WHEN ends_at >= upper_at;
			at := ends_at;
		END LOOP;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.owner_contract_due(timestamptz, timestamptz) IS 'The contract that is due for a period which is not closed and which could no longer be booked without the partition of these times; NULL: none';

CREATE FUNCTION aiusage.owner_partition_held(partition regclass, lower_at timestamptz, upper_at timestamptz) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET TimeZone = 'UTC'
	SET jit = off
AS $$
DECLARE
	-- the last of its events may be an hour after its ids
	last_at constant timestamptz := upper_at + interval '1 hour';
	found_text text;
BEGIN
	-- Without a look at its rows.
	IF NOT EXISTS (SELECT FROM aiusage.retention_class AS c WHERE last_at + c.keep <= now()) THEN
		RETURN coalesce('retention: until ' || (SELECT min(last_at + c.keep)::date FROM aiusage.retention_class AS c) || ' or later',
			'retention: kept for ever');
	END IF;
	IF EXISTS (SELECT FROM aiusage.usage_record_default AS d WHERE d.id < aiusage.id_floor(upper_at)) THEN
		RETURN 'default partition: it has rows as old as these';
	END IF;
	found_text := (SELECT 'reprice job ' || min(j.job) FROM aiusage.reprice_job AS j WHERE j.status = 'open' AND j.reads_from < last_at);
	IF found_text IS NOT NULL THEN
		RETURN found_text || ' is not done';
	END IF;
	IF aiusage.owner_partition_unfolded(partition) THEN
		RETURN 'unfolded: it has rows that are not in the rollups';
	END IF;

	-- Each ends at the first row that holds.
	EXECUTE format($query$
		SELECT format('retention: class %%s of key %%s, %%s', c.class, p.api_key,
			coalesce('until ' || ($1 + c.keep)::date::text, 'for ever'))
		FROM %s AS p
		LEFT JOIN aiusage.key_retention AS k ON k.api_key = p.api_key
		JOIN aiusage.retention_class AS c ON c.class = coalesce(k.class, 'default')
		WHERE (c.keep IS NULL OR $1 + c.keep > now())
		LIMIT 1
	$query$, partition) INTO found_text USING last_at;
	IF found_text IS NOT NULL THEN
		RETURN found_text;
	END IF;
	EXECUTE format($query$
		SELECT format('open period: %%s', coalesce(aiusage.period_label(p.invoice_period), p.invoice_period::text))
		FROM %s AS p
		WHERE NOT EXISTS (SELECT FROM aiusage.invoice_period AS i WHERE i.period = p.invoice_period AND i.status IN ('closed', 'invoiced'))
		LIMIT 1
	$query$, partition) INTO found_text;
	IF found_text IS NOT NULL THEN
		RETURN found_text;
	END IF;
	-- Who has a calendar of their own is billed by days: the next statement takes what the last one did not.
	EXECUTE format($query$
		SELECT format('open period: of %%s "%%s", by a calendar of its own', e.entity_kind, e.entity)
		FROM %s AS p
		LEFT JOIN aiusage.key_assignment AS a ON a.assignment = p.assignment
		CROSS JOIN LATERAL (
			SELECT 'team' AS entity_kind, t.team AS entity FROM aiusage.team AS t WHERE t.team = a.team AND t.calendar IS NOT NULL
			UNION ALL
			SELECT 'customer', c.customer FROM aiusage.customer AS c
			WHERE c.customer = coalesce(p.customer, a.customer) AND c.calendar IS NOT NULL AND p.charge IS NOT NULL
		) AS e
		LEFT JOIN LATERAL (
			SELECT s.covers_until, i.boundary, i.running
			FROM aiusage.invoice_statement AS s JOIN aiusage.invoice_period AS i ON i.period = s.period
			WHERE s.by_days AND s.kind = 'statement' AND s.entity_kind = e.entity_kind AND s.entity = e.entity
			ORDER BY s.covers_until DESC LIMIT 1
		) AS l ON true
		WHERE l.covers_until IS NULL OR p.occurred_at >= l.covers_until OR p.txid >= l.boundary OR p.txid = ANY (l.running)
		LIMIT 1
	$query$, partition) INTO found_text;
	IF found_text IS NOT NULL THEN
		RETURN found_text;
	END IF;
	found_text := aiusage.owner_contract_due(lower_at, upper_at);
	IF found_text IS NOT NULL THEN
		RETURN found_text;
	END IF;
	EXECUTE format($query$
		SELECT format('limit "%%s": its open window counts since %%s', w.name, w.since)
		FROM aiusage.owner_open_windows() AS w
		WHERE EXISTS (SELECT FROM %s AS p
			WHERE (p.occurred_at >= w.since OR p.quota_state IS DISTINCT FROM 'exempt' AND p.recorded_at >= greatest(w.since, w.published_at))
				AND (w.api_key IS NULL OR p.api_key = w.api_key))
		ORDER BY w.quota
		LIMIT 1
	$query$, partition) INTO found_text;
	IF found_text IS NOT NULL THEN
		RETURN found_text;
	END IF;
	-- A correction says that its row is corrected already, for as long as that can be asked.
	EXECUTE format($query$
		SELECT format('corrections: of row %%s, which is kept', p.adjusts)
		FROM %s AS p
		JOIN aiusage.usage_record AS o ON o.id = p.adjusts
		WHERE p.adjusts IS NOT NULL AND (p.adjusts < aiusage.id_floor($1) OR p.adjusts >= aiusage.id_floor($2))
		LIMIT 1
	$query$, partition) INTO found_text USING lower_at, upper_at;
	RETURN found_text;
END
$$;
COMMENT ON FUNCTION aiusage.owner_partition_held(regclass, timestamptz, timestamptz) IS 'What keeps a partition in the ledger: retention, DEFAULT rows, a reprice, rows not folded, an open period of its rows or of a contract, an open window of a limit, or corrections of rows that stay; NULL: nothing';

-- The steps ----------------------------------------------------------------

CREATE FUNCTION aiusage.owner_freeze_partition(number int) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '100ms'
AS $$
#variable_conflict use_column
DECLARE
	p aiusage.ledger_partition;
	incarnation int := aiusage.current_incarnation();
	boundary bigint;
	running bigint[];
	windows timestamptz;
	held text;
	newer boolean;
BEGIN
	SELECT * INTO STRICT p FROM aiusage.ledger_partition AS x WHERE x.number = owner_freeze_partition.number;
	SELECT aiusage.snapshot_boundary(incarnation), aiusage.snapshot_running(incarnation) INTO boundary, running;
	windows := (SELECT min(w.since) FROM aiusage.owner_open_windows() AS w);
	held := aiusage.owner_partition_held(format('aiusage.%I', p.partition)::regclass, p.lower_at, p.upper_at);
	IF held IS NOT NULL THEN
		RETURN held;
	END IF;
	BEGIN
		EXECUTE format('LOCK TABLE aiusage.%I IN SHARE MODE', p.partition);
		-- What has come since the look at it; the error gives the lock back.
		EXECUTE format('SELECT EXISTS (SELECT FROM aiusage.%1$I AS u WHERE u.txid >= $1) OR EXISTS (SELECT FROM aiusage.%1$I AS u WHERE u.txid = ANY ($2))',
			p.partition) INTO newer USING boundary, running;
		IF newer OR (SELECT min(w.since) FROM aiusage.owner_open_windows() AS w) < coalesce(windows, 'infinity')
			OR EXISTS (SELECT FROM aiusage.usage_record_default AS d WHERE d.id < aiusage.id_floor(p.upper_at)) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409', MESSAGE = 'rows came meanwhile',
			HINT = 'Try again: the next call of aiusage.maintain() does.';
		END IF;
	EXCEPTION
		WHEN lock_not_available THEN
			RETURN 'writers: a transaction that has written to it is open, or prepared';
		WHEN SQLSTATE 'UA409' THEN
			RETURN 'writers: rows came while it was looked at';
	END;
	UPDATE aiusage.ledger_partition AS x SET state = 'frozen', frozen_at = clock_timestamp(), held_by = NULL WHERE x.number = p.number;
	-- Also where it stays as it is: sessions have to hear of the partition.
	UPDATE aiusage.books AS b SET retained_from = greatest(b.retained_from, aiusage.id_floor(p.upper_at));
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.owner_freeze_partition(int) IS 'From the commit on, ids of the partition are refused; returns what holds it, or NULL when it was frozen';

CREATE FUNCTION aiusage.owner_seal_partition(number int) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	p aiusage.ledger_partition;
	limits text[] := ARRAY(SELECT q.quota || ':' || q.epoch FROM aiusage.quota AS q WHERE q.status = 'active' ORDER BY q.quota);
	total numeric;
	sealed numeric;
	n bigint;
BEGIN
	SELECT * INTO STRICT p FROM aiusage.ledger_partition AS x WHERE x.number = owner_seal_partition.number;
	DELETE FROM aiusage.sealed_15m AS s WHERE s.partition_number = p.number;
	DELETE FROM aiusage.sealed_total AS s WHERE s.partition_number = p.number;
	DELETE FROM aiusage.sealed_latency AS s WHERE s.partition_number = p.number;
	DELETE FROM aiusage.sealed_quota AS s WHERE s.partition_number = p.number;

	-- As the fold groups and sums them.
	EXECUTE format($query$
		INSERT INTO aiusage.sealed_15m (partition_number, bucket, dimension, %1$s)
		SELECT $1, d.bucket, aiusage.dimension_id(%2$s), %3$s
		FROM (
			SELECT s.bucket, %4$s, %5$s
			FROM aiusage.rollup_source AS s
			LEFT JOIN aiusage.key_assignment AS a ON a.assignment = s.assignment
			WHERE s.id >= %6$L AND s.id < %7$L
		) AS d
		GROUP BY d.bucket, %8$s
	$query$, aiusage.owner_each_measure('{m}'), aiusage.owner_each_dimension('d.{label}'), aiusage.owner_each_measure('{total}'),
		aiusage.owner_each_dimension('{value} AS {d}'), aiusage.owner_each_measure('s.{m}'),
		aiusage.id_floor(p.lower_at), aiusage.id_floor(p.upper_at), aiusage.owner_each_dimension('d.{d}')) USING p.number;

	EXECUTE format('INSERT INTO aiusage.sealed_latency (partition_number, %1$s, %2$s) SELECT $1, %1$s, %2$s FROM (%3$s) AS n',
		aiusage.owner_latency_key(), aiusage.latency_counts('{n}'), aiusage.owner_latency_groups(format(
			'SELECT * FROM aiusage.rollup_source AS s WHERE s.id >= %L AND s.id < %L', aiusage.id_floor(p.lower_at), aiusage.id_floor(p.upper_at))))
		USING p.number;

	-- Apart from it, from the rows.
	EXECUTE format($query$
		INSERT INTO aiusage.sealed_total (partition_number, invoice_period, currency, list_currency, charge_currency, records, requests, cost, list_cost, charge)
		SELECT $1, u.invoice_period, aiusage.currency(u.cost_by_unit), coalesce(aiusage.currency(u.list_cost), aiusage.currency(u.cost_by_unit)),
			coalesce(aiusage.currency(u.charge), ''), count(*),
			count(*) FILTER (WHERE u.kind = 'usage') - count(*) FILTER (WHERE u.kind = 'reversal'),
			coalesce(sum(u.cost::numeric), 0), coalesce(sum(coalesce(u.list_cost, u.cost)::numeric), 0), coalesce(sum(u.charge::numeric), 0)
		FROM aiusage.%I AS u
		GROUP BY 2, 3, 4, 5
	$query$, p.partition) USING p.number;
	n := (SELECT coalesce(sum(s.records), 0) FROM aiusage.sealed_total AS s WHERE s.partition_number = p.number);
	total := (SELECT sum(s.cost) FROM aiusage.sealed_total AS s WHERE s.partition_number = p.number);
	sealed := (SELECT sum(s.cost) FROM aiusage.sealed_15m AS s WHERE s.partition_number = p.number);
	IF total IS DISTINCT FROM sealed
		OR n <> (SELECT coalesce(sum(s.records), 0) FROM aiusage.sealed_15m AS s WHERE s.partition_number = p.number) THEN
		RAISE EXCEPTION USING ERRCODE = 'data_corrupted',
			MESSAGE = format('sums of partition %s disagree', p.partition),
			DETAIL = format('Its rows cost %s, what is to be sealed %s.', total, sealed),
			HINT = 'It stays in the ledger. SELECT * FROM aiusage.verify() says more.';
	END IF;

	-- What limits count of its rows; of money by dimensions that the rollups have, sealed_15m says it.
	EXECUTE format($query$
		INSERT INTO aiusage.sealed_quota (partition_number, quota, labels, window_start, starts_at, ends_at, used)
		SELECT $1, c.quota, c.labels, c.window_start, min(c.starts_at), max(c.ends_at), sum(c.amount)
		FROM aiusage.%I AS t
		CROSS JOIN LATERAL aiusage.quota_charges(NULL, t.api_key, t.assignment, t.customer, t.workflow, t.user_id, t.job_id, t.tags,
			t.provider, t.model, t.endpoint, t.usage, t.cost, t.status, t.kind, t.adjusts, t.quota_state,
			t.occurred_at, t.recorded_at, t.invoice_period) AS c
		JOIN aiusage.quota AS q ON q.quota = c.quota
		CROSS JOIN aiusage.fold_state AS f
		WHERE $2 AND c.amount <> 0 AND q.status = 'active' AND c.ends_at > q.pruned_to
			AND aiusage.quota_kept(c.starts_at, c.ends_at, f.quotas_pruned_at)
			AND NOT aiusage.owner_quota_from_rollup(c.quota, false)
		GROUP BY c.quota, c.labels, c.window_start
	$query$, p.partition) USING p.number, cardinality(limits) > 0;

	UPDATE aiusage.ledger_partition AS x
	SET state = 'sealed', sealed_at = clock_timestamp(), sealed_limits = limits, waits_for = NULL, held_by = NULL, records = n,
		bytes = pg_total_relation_size(format('aiusage.%I', x.partition)::regclass)
	WHERE x.number = p.number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_seal_partition(int) IS 'Stores the sums of a frozen partition whose rows are all folded. XX001 when they disagree with its rows';

CREATE FUNCTION aiusage.owner_detach_partition(number int) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '100ms'
AS $$
#variable_conflict use_column
DECLARE
	p aiusage.ledger_partition;
BEGIN
	SELECT * INTO STRICT p FROM aiusage.ledger_partition AS x WHERE x.number = owner_detach_partition.number;
	IF p.waits_for IS NULL THEN
		-- A statement of its own, after the sealing was committed.  What works on another database, or cleans up, reads no views of ours.
		PERFORM pg_stat_clear_snapshot();
		UPDATE aiusage.ledger_partition AS x
		SET waits_for = ARRAY(SELECT l.virtualtransaction FROM pg_locks AS l WHERE l.locktype = 'virtualxid' AND l.pid <> pg_backend_pid()
			AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.pid = l.pid AND (a.datname <> current_database()
				OR a.usesysid IS NULL AND a.datid IS NOT NULL)))		-- an autovacuum
		WHERE x.number = p.number
		RETURNING * INTO p;
	END IF;
	IF EXISTS (SELECT FROM pg_locks AS l WHERE l.locktype = 'virtualxid' AND l.pid <> pg_backend_pid() AND l.virtualtransaction = ANY (p.waits_for)) THEN
		RETURN (SELECT format('old transactions: of pid %s', string_agg(l.pid::text, ', ' ORDER BY l.pid)) FROM pg_locks AS l
			WHERE l.locktype = 'virtualxid' AND l.virtualtransaction = ANY (p.waits_for));
	END IF;
	BEGIN
		LOCK TABLE ONLY aiusage.usage_record IN ACCESS EXCLUSIVE MODE;
		-- A limit that was published since may count of its rows, too; the error gives the lock back.
		IF EXISTS (SELECT FROM aiusage.quota AS q WHERE q.status = 'active' AND q.quota || ':' || q.epoch <> ALL (p.sealed_limits)) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409', MESSAGE = 'a limit was published meanwhile',
			HINT = 'Try again: the next call of aiusage.maintain() does.';
		END IF;
		EXECUTE format('ALTER TABLE aiusage.usage_record DETACH PARTITION aiusage.%I', p.partition);
	EXCEPTION
		WHEN lock_not_available THEN
			RETURN 'readers: a transaction that uses the ledger goes on for longer than a tenth of a second';
		WHEN SQLSTATE 'UA409' THEN
			UPDATE aiusage.ledger_partition AS x SET state = 'frozen' WHERE x.number = p.number;
			RETURN 'limits: one was published since it was sealed';
	END;
	UPDATE aiusage.ledger_partition AS x SET state = 'detached', detached_at = clock_timestamp(), held_by = NULL WHERE x.number = p.number;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.owner_detach_partition(int) IS 'Takes a sealed partition out of the ledger; returns what holds it, or NULL when it is out';

CREATE FUNCTION aiusage.owner_drop_partition(number int) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '100ms'
AS $$
#variable_conflict use_column
DECLARE
	name text := (SELECT x.partition FROM aiusage.ledger_partition AS x WHERE x.number = owner_drop_partition.number);
BEGIN
	EXECUTE format('DROP TABLE IF EXISTS aiusage.%I', name);
	UPDATE aiusage.ledger_partition AS x SET state = 'dropped', dropped_at = clock_timestamp(), held_by = NULL WHERE x.number = owner_drop_partition.number;
	RETURN NULL;
EXCEPTION WHEN lock_not_available THEN
	RETURN 'readers: a transaction that reads the partition, such as a dump, goes on for longer than a tenth of a second';
END
$$;
COMMENT ON FUNCTION aiusage.owner_drop_partition(int) IS 'Drops a detached partition; returns what holds it, or NULL when it is gone';

CREATE FUNCTION aiusage.enforce_retention(look_again boolean DEFAULT false) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.enforce_retention(boolean) IS 'Brings one partition that is due one step further: frozen, sealed, detached, dropped. Returns what it did, NULL when there is nothing to do; aiusage.retention_status says what holds the others. Each step is to be a transaction of its own: call it until it returns NULL, as maintain() does. What was looked at within the hour is passed over, unless look_again. UA409 above READ COMMITTED or in a transaction that has booked usage';

CREATE FUNCTION aiusage.owner_enforce_retention(look_again boolean) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p aiusage.ledger_partition;
	held text;
BEGIN
	IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') OR aiusage.has_booked() THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = 'cannot drop partitions in this transaction',
			DETAIL = 'It has booked usage, or works on an old snapshot.',
			HINT = 'Call it in a transaction of its own, in READ COMMITTED.';
	END IF;
	-- Somebody else is at it.
	IF NOT pg_try_advisory_xact_lock(hashtextextended('aiusage.make_partitions', 0)) THEN
		RETURN NULL;
	END IF;

	-- What was begun is ended first.
	FOR p IN SELECT * FROM aiusage.ledger_partition AS x WHERE x.state IN ('frozen', 'sealed', 'detached') ORDER BY x.lower_at
	LOOP
		IF p.state = 'detached' THEN
			held := aiusage.owner_drop_partition(p.number);
			IF held IS NULL THEN
				RETURN format('%s dropped', p.partition);
			END IF;
		ELSIF p.state = 'sealed' THEN
			held := aiusage.owner_detach_partition(p.number);
			IF held IS NULL THEN
				RETURN format('%s detached', p.partition);
			END IF;
		ELSIF aiusage.owner_partition_unfolded(format('aiusage.%I', p.partition)::regclass) THEN
			held := 'unfolded: it has rows that are not in the rollups';
		ELSE
			PERFORM aiusage.owner_seal_partition(p.number);
			RETURN format('%s sealed', p.partition);
		END IF;
		UPDATE aiusage.ledger_partition AS x SET held_by = held, checked_at = clock_timestamp() WHERE x.number = p.number;
	END LOOP;

	INSERT INTO aiusage.ledger_partition (partition, lower_at, upper_at)
	SELECT c.relname, r.lower_at, r.upper_at
	FROM aiusage.partition_ranges() AS r
	JOIN pg_class AS c ON c.oid = r.partition
	WHERE r.upper_at <= now()
	ORDER BY r.lower_at
	ON CONFLICT (partition) DO NOTHING;
	FOR p IN SELECT * FROM aiusage.ledger_partition AS x
		WHERE x.state = 'kept' AND (look_again OR x.checked_at IS NULL OR x.checked_at < clock_timestamp() - interval '1 hour')
		ORDER BY x.lower_at
	LOOP
		held := aiusage.owner_freeze_partition(p.number);
		IF held IS NULL THEN
			RETURN format('%s frozen', p.partition);
		END IF;
		UPDATE aiusage.ledger_partition AS x SET held_by = held, checked_at = clock_timestamp() WHERE x.number = p.number;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.owner_enforce_retention(boolean) IS 'Body of enforce_retention(), for the owner of the books only';
