/*
 * Limits: what rows charge, and the guards of the tables.
 */

CREATE FUNCTION aiusage.quota_charges(only_quota int, api_key text, assignment bigint, customer text, workflow text, user_id text,
		job_id text, tags jsonb, provider text, model text, endpoint text, usage aiusage.usage, cost aiusage.amount,
		status aiusage.usage_status, kind aiusage.record_kind, adjusts uuid, quota_state aiusage.limit_state,
		occurred_at timestamptz, recorded_at timestamptz, invoice_period int)
	RETURNS TABLE (quota int, subject uuid, window_start bigint, starts_at timestamptz, ends_at timestamptz, amount numeric,
		uncheckable boolean, labels text[])
	LANGUAGE c STABLE PARALLEL UNSAFE ROWS 4
	AS 'MODULE_PATHNAME', 'aiu_sql_quota_charges';
COMMENT ON FUNCTION aiusage.quota_charges(int, text, bigint, text, text, text, text, jsonb, text, text, text, aiusage.usage, aiusage.amount, aiusage.usage_status, aiusage.record_kind, uuid, aiusage.limit_state, timestamptz, timestamptz, int) IS 'What a ledger row, given by its columns, charges to each active limit, or to one: counter (subject and window) and amount in the limit''s currency or unit; uncheckable when its cost is in another currency or unknown. labels are the values of the limit''s per. Only the counters that quota_state shows the caller. Errors: 53400 when more than 16 limits apply';

CREATE TYPE aiusage.quota_total AS (
	quota int,
	subject uuid,
	window_start bigint,
	starts_at timestamptz,
	ends_at timestamptz,
	amount numeric,
	labels text[],
	first_at timestamptz
);
COMMENT ON TYPE aiusage.quota_total IS 'What ledger rows add up to in one counter of a limit: amount in the limit''s currency or unit, labels and window as of quota_charges(), first_at the earliest occurred_at of what was counted';

CREATE FUNCTION aiusage.quota_totals_add(state internal, only_quota int, api_key text, assignment bigint, customer text, workflow text,
		user_id text, job_id text, tags jsonb, provider text, model text, endpoint text, usage aiusage.usage, cost aiusage.amount,
		status aiusage.usage_status, kind aiusage.record_kind, adjusts uuid, quota_state aiusage.limit_state,
		occurred_at timestamptz, recorded_at timestamptz, invoice_period int)
	RETURNS internal
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_quota_totals_add';
COMMENT ON FUNCTION aiusage.quota_totals_add(internal, int, text, bigint, text, text, text, text, jsonb, text, text, text, aiusage.usage, aiusage.amount, aiusage.usage_status, aiusage.record_kind, uuid, aiusage.limit_state, timestamptz, timestamptz, int) IS 'Transition function of quota_totals()';

CREATE FUNCTION aiusage.quota_totals_final(state internal)
	RETURNS aiusage.quota_total[]
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_quota_totals_final';
COMMENT ON FUNCTION aiusage.quota_totals_final(internal) IS 'Final function of quota_totals()';

CREATE AGGREGATE aiusage.quota_totals(only_quota int, api_key text, assignment bigint, customer text, workflow text,
		user_id text, job_id text, tags jsonb, provider text, model text, endpoint text, usage aiusage.usage, cost aiusage.amount,
		status aiusage.usage_status, kind aiusage.record_kind, adjusts uuid, quota_state aiusage.limit_state,
		occurred_at timestamptz, recorded_at timestamptz, invoice_period int) (
	SFUNC = aiusage.quota_totals_add,
	STYPE = internal,
	FINALFUNC = aiusage.quota_totals_final
);
COMMENT ON AGGREGATE aiusage.quota_totals(int, text, bigint, text, text, text, text, jsonb, text, text, text, aiusage.usage, aiusage.amount, aiusage.usage_status, aiusage.record_kind, uuid, aiusage.limit_state, timestamptz, timestamptz, int) IS 'What ledger rows, given by their columns, add up to in each counter of all active limits, or of one: the charges of quota_charges() but those of 0, one element a counter, in no order; NULL when nothing counts. For the owner of the books: it shows every counter. Errors: 53400 when more than 16 limits apply to a row';

CREATE FUNCTION aiusage.quota_window(quota int, at timestamptz, invoice_period int DEFAULT NULL,
		OUT window_start bigint, OUT starts_at timestamptz, OUT ends_at timestamptz)
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_sql_quota_window';
COMMENT ON FUNCTION aiusage.quota_window(int, timestamptz, int) IS 'The window of an active limit that a time falls into (sliding: the sub-bucket), and when it ends; of a limit by invoice period, the window of that period. NULL for a limit that is not active, and for one of which quota_state shows the caller nothing. Errors: 22008 for a time out of range';

CREATE FUNCTION aiusage.quota_subject_id(quota int, epoch int, labels text[]) RETURNS uuid
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'aiu_sql_quota_subject_id';
COMMENT ON FUNCTION aiusage.quota_subject_id(int, int, text[]) IS 'Id of a subject: 128 bits of SHA-256 over limit, epoch and labels. Errors: UA422 for more labels than there are dimensions';

CREATE FUNCTION aiusage.quota_read_counter(quota int, labels text[], window_start bigint,
		OUT used numeric, OUT held numeric, OUT alerted int)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_sql_quota_read_counter';
COMMENT ON FUNCTION aiusage.quota_read_counter(int, text[], bigint, OUT numeric, OUT numeric, OUT int) IS 'What the books say of one counter, as it is loaded into memory: rows of the own transaction are left out. NULL for a limit that is not active';

CREATE FUNCTION aiusage.quota_any() RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_sql_quota_any';
COMMENT ON FUNCTION aiusage.quota_any() IS 'Is any limit active';

CREATE FUNCTION aiusage.begin_publish() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_sql_begin_publish';
COMMENT ON FUNCTION aiusage.begin_publish() IS 'Marks the transaction as one that publishes a limit: usage cannot be written in it afterwards. UA409 when it has written usage already';

-- In seconds, so that no session's time zone takes part.
CREATE FUNCTION aiusage.quota_kept(starts_at timestamptz, ends_at timestamptz, pruned_at timestamptz) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN ends_at = 'infinity' OR pruned_at = '-infinity' OR
		extract(epoch FROM ends_at) + greatest(30 * (extract(epoch FROM ends_at) - extract(epoch FROM starts_at)), 172800)
			> extract(epoch FROM pruned_at);
COMMENT ON FUNCTION aiusage.quota_kept(timestamptz, timestamptz, timestamptz) IS 'Whether a window is kept in quota_usage, when windows were pruned last at that time: thirty times its length after its end, at least two days';

CREATE FUNCTION aiusage.quota_dimensions() RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN ARRAY['api_key', 'key_class', 'team', 'cost_center', 'project', 'customer', 'plan_tier', 'user_id', 'environment',
		'workflow', 'job_id', 'provider', 'model', 'endpoint', 'tag'];
COMMENT ON FUNCTION aiusage.quota_dimensions() IS 'What a limit may be about, and be kept apart by';

CREATE FUNCTION aiusage.quota_subject_text(per text[], tag text, labels text[]) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(
		CASE p.name WHEN 'tag' THEN concat('tag ', quota_subject_text.tag) ELSE p.name END || ' ' ||
			coalesce('"' || l.label || '"', '(none)'), ', ' ORDER BY p.ord), 'everything in its scope')
	FROM unnest(quota_subject_text.per) WITH ORDINALITY AS p (name, ord)
	LEFT JOIN unnest(quota_subject_text.labels) WITH ORDINALITY AS l (label, ord) USING (ord)
$$;
COMMENT ON FUNCTION aiusage.quota_subject_text(text[], text, text[]) IS 'Whom a counter counts for, for people, as messages about limits say it';

-- Guards -------------------------------------------------------------------

CREATE FUNCTION aiusage.guard_quota() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changed text;
BEGIN
	IF TG_OP = 'TRUNCATE' OR (TG_OP = 'DELETE' AND OLD.status <> 'draft') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'limits cannot be deleted',
			DETAIL = 'Events and overrides refer to them.',
			HINT = 'aiusage.retire_quota() ends a limit.';
	END IF;
	IF TG_OP = 'DELETE' THEN
		RETURN OLD;
	END IF;
	IF TG_OP = 'INSERT' OR aiusage.change_permitted() AND aiusage.only_redacted(to_jsonb(OLD), to_jsonb(NEW)) THEN
		RETURN NEW;
	END IF;
	IF OLD.status <> 'draft' THEN
		changed := (
			SELECT string_agg(o.key, ', ' ORDER BY o.key)
			FROM jsonb_each(to_jsonb(OLD)) AS o JOIN jsonb_each(to_jsonb(NEW)) AS n USING (key)
			WHERE o.value <> n.value AND o.key <> ALL (ARRAY['limit', 'thresholds', 'action', 'degrade_to', 'reroute_to',
				'unpriced', 'exempt_free', 'notify', 'note', 'epoch', 'rebuild_reason', 'published_boundary', 'pruned_to',
				'status', 'retired_at', 'retired_by']));
		IF changed IS NOT NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = format('what limit "%s" counts cannot be changed: %s', OLD.name, changed),
				DETAIL = 'Its counters would no longer be what they say.',
				HINT = 'aiusage.put_quota() with replace => true puts another limit in its place.';
		END IF;
	END IF;
	IF OLD.status = 'retired' OR (OLD.status = 'active' AND NEW.status = 'draft') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('limit "%s" is %s and stays so', OLD.name, OLD.status),
			HINT = 'aiusage.put_quota() makes a new limit, which may have the same name.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_quota() IS 'Trigger: what an active limit counts never changes, a retired one stays as it is, and none but drafts are deleted (UA403)';

CREATE FUNCTION aiusage.guard_quota_override() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP <> 'UPDATE' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'overrides of limits cannot be deleted',
			HINT = 'aiusage.end_override() ends one.';
	END IF;
	IF aiusage.change_permitted() AND aiusage.only_redacted(to_jsonb(OLD), to_jsonb(NEW)) THEN
		RETURN NEW;
	END IF;
	IF to_jsonb(NEW) - 'valid_until' IS DISTINCT FROM to_jsonb(OLD) - 'valid_until' OR NEW.valid_until > OLD.valid_until THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('override %s cannot be changed', OLD.override),
			DETAIL = 'What was approved stays as it was; it may only end earlier.',
			HINT = 'Request another with aiusage.request_override().';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_quota_override() IS 'Trigger: an override of a limit only ever ends earlier (UA403)';

CREATE FUNCTION aiusage.guard_quota_request() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP <> 'UPDATE' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'requests to raise a limit cannot be deleted',
			HINT = 'aiusage.withdraw_request() takes one back.';
	END IF;
	IF aiusage.change_permitted() AND aiusage.only_redacted(to_jsonb(OLD), to_jsonb(NEW)) THEN
		RETURN NEW;
	END IF;
	IF OLD.status <> 'requested' OR
		to_jsonb(NEW) - ARRAY['status', 'decided_at', 'decided_by', 'decision_note'] IS DISTINCT FROM
		to_jsonb(OLD) - ARRAY['status', 'decided_at', 'decided_by', 'decision_note']
	THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('request %s cannot be changed', OLD.request),
			DETAIL = 'It is decided once, and stays what was asked for.',
			HINT = 'Withdraw it with aiusage.withdraw_request(), and ask anew.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.guard_quota_request() IS 'Trigger: a request to raise a limit is decided once, and not changed (UA403)';

CREATE FUNCTION aiusage.guard_quota_event() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - 'notified_at' = to_jsonb(OLD) - 'notified_at'
		OR aiusage.change_permitted() AND aiusage.only_redacted(to_jsonb(OLD), to_jsonb(NEW))) THEN
		RETURN NEW;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = 'events of limits cannot be changed or deleted',
		HINT = 'What was an alert or a denial stays one; aiusage.put_quota() changes what will be.';
END
$$;
COMMENT ON FUNCTION aiusage.guard_quota_event() IS 'Trigger: events of limits are only ever added (UA403)';
