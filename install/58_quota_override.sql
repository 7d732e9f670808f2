/*
 * Limits: requests to raise one for a time, decided by somebody else than who
 * asks.
 */

CREATE FUNCTION aiusage.quota_labels(per text[], subject jsonb) RETURNS text[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	stray text;
BEGIN
	IF subject IS NULL OR subject = 'null' THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(subject) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'whose counter is raised must be a JSON object',
			HINT = 'For example {"user_id": "ana"}; leave it out to raise every counter of the limit.';
	END IF;
	stray := (SELECT min(k) FROM jsonb_object_keys(subject) AS k WHERE k <> ALL (per));
	IF stray IS NOT NULL OR (SELECT count(*) FROM jsonb_object_keys(subject)) <> cardinality(per) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = CASE WHEN stray IS NULL THEN 'whose counter is raised is not said in full'
				ELSE format('"%s" is not among what the limit is kept apart by', left(stray, 64)) END,
			HINT = CASE WHEN cardinality(per) = 0 THEN 'The limit has one counter only: leave it out.'
				ELSE format('Say %s; null stands for usage without one.', array_to_string(per, ', ')) END;
	END IF;
	RETURN ARRAY(SELECT CASE WHEN p.name IN ('provider', 'model', 'endpoint')
			-- as they count: ASCII letters in lower case
			THEN translate(subject ->> p.name, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')
			ELSE subject ->> p.name END
		FROM unnest(per) WITH ORDINALITY AS p (name, ord) ORDER BY p.ord);
END
$$;
COMMENT ON FUNCTION aiusage.quota_labels(text[], jsonb) IS 'Values of the dimensions of a limit''s per out of an object; NULL for none: every counter. Errors: UA422';

CREATE FUNCTION aiusage.owner_quota_visible(quota int, labels text[]) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT pg_has_role(me.role, current_user, 'USAGE') OR pg_has_role(me.role, 'pg_read_all_data', 'USAGE')
		OR EXISTS (SELECT FROM aiusage.access_grant AS g
			WHERE EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = g.role AND pg_has_role(me.role, r.oid, 'USAGE'))
			  AND CASE WHEN g.teams IS NULL AND g.cost_centers IS NULL AND g.customers IS NULL
				THEN g.kind IN ('analyst', 'admin', 'approver')
				ELSE g.kind IN ('analyst', 'approver', 'member') AND (
					coalesce(q.team, labels[array_position(q.per, 'team')], a.team) = ANY (g.teams)
					OR coalesce(q.cost_center, labels[array_position(q.per, 'cost_center')], a.cost_center) = ANY (g.cost_centers)
					OR coalesce(q.customer, labels[array_position(q.per, 'customer')], a.customer) = ANY (g.customers)) END)
	FROM aiusage.quota AS q
	CROSS JOIN (SELECT aiusage.acting_role()::name AS role) AS me
	LEFT JOIN aiusage.key_assignment AS a ON a.api_key = coalesce(q.api_key, labels[array_position(q.per, 'api_key')])
		AND a.valid_from <= now() AND (a.valid_to IS NULL OR a.valid_to > now())
	WHERE q.quota = owner_quota_visible.quota
$$;
COMMENT ON FUNCTION aiusage.owner_quota_visible(int, text[]) IS 'Whether the role that acts may see a counter of a limit, or (labels NULL) the limit as a whole';

CREATE FUNCTION aiusage.request_override(quota text, until timestamptz, reason text, raise_by numeric DEFAULT NULL, raise_to numeric DEFAULT NULL,
		subject jsonb DEFAULT NULL, ticket text DEFAULT NULL, from_at timestamptz DEFAULT NULL, decide_within interval DEFAULT '7 days')
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.request_override(text, timestamptz, text, numeric, numeric, jsonb, text, timestamptz, interval) IS 'Asks for a raise of a limit, by an amount or to a limit, from now (or from_at) until a time; of every counter, or of the one that subject names, such as {"user_id": "ana"}. Returns the number of the request, which somebody else approves or refuses. Errors: UA404 for no such limit, or none that the caller sees; UA409 for the credit of a wallet; UA422 for what makes no raise';

CREATE FUNCTION aiusage.owner_request_override(quota text, until timestamptz, reason text, raise_by numeric, raise_to numeric,
		subject jsonb, ticket text, from_at timestamptz, decide_within interval)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	q aiusage.quota;
	starts timestamptz := coalesce(owner_request_override.from_at, clock_timestamp());
	whose text[];
	number bigint;
BEGIN
	SELECT * INTO q FROM aiusage.quota AS x WHERE x.name = owner_request_override.quota AND x.status = 'active';
	IF FOUND THEN
		-- What its subjects are made of, too, is for those who see the limit.
		BEGIN
			whose := aiusage.quota_labels(q.per, owner_request_override.subject);
		EXCEPTION WHEN SQLSTATE 'UA422' THEN
			IF aiusage.owner_quota_visible(q.quota, NULL) THEN
				RAISE;
			END IF;
			q := NULL;
		END;
	END IF;
	IF q.quota IS NULL OR NOT aiusage.owner_quota_visible(q.quota, whose) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('limit "%s" does not exist', left(coalesce(owner_request_override.quota, 'null'), 64)),
			HINT = 'aiusage.quota_state lists those that you may see, and of one that is kept apart the subjects.';
	END IF;
	IF q.wallet THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('limit "%s" is the credit of a wallet', q.name),
			HINT = 'aiusage.request_recharge() asks for more.';
	END IF;
	IF (owner_request_override.raise_by IS NULL) = (owner_request_override.raise_to IS NULL) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a raise is either by an amount or to a limit',
			HINT = 'Give raise_by or raise_to.';
	END IF;
	IF owner_request_override.raise_by = 'NaN' OR owner_request_override.raise_to = 'NaN'
		OR coalesce(owner_request_override.raise_by, 1) <= 0 OR coalesce(owner_request_override.raise_to, 0) < 0
		OR greatest(owner_request_override.raise_by, owner_request_override.raise_to) > 1e24
		OR scale(trim_scale(coalesce(owner_request_override.raise_by, owner_request_override.raise_to))) > 12 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the amount of a raise must be positive, at most 1e24, with at most 12 decimals',
			HINT = 'raise_by is added to the limit, raise_to takes its place for the time.';
	END IF;
	IF owner_request_override.raise_to <= q."limit" THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('%s is no raise: limit "%s" is %s', owner_request_override.raise_to, q.name, q."limit"),
			HINT = 'aiusage.put_quota() lowers a limit.';
	END IF;
	IF owner_request_override.until IS NULL OR NOT isfinite(owner_request_override.until) OR NOT isfinite(starts)
		OR owner_request_override.until <= greatest(starts, clock_timestamp()) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a raise must end, later than it begins and than now',
			HINT = 'aiusage.put_quota() changes a limit for good.';
	END IF;
	IF coalesce(btrim(owner_request_override.reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a raise needs a reason',
			HINT = 'Say why in words; whoever approves it, and an auditor, reads it.';
	END IF;
	IF owner_request_override.decide_within IS NULL OR owner_request_override.decide_within <= interval '0'
		OR owner_request_override.decide_within > interval '1 year' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'decide_within must be positive, and a year at most',
			HINT = 'Leave it out for 7 days.';
	END IF;
	INSERT INTO aiusage.quota_request AS r (quota, labels, raise_by, raise_to, valid_from, valid_until, reason, ticket, requested_by, expires_at)
	VALUES (q.quota, whose, owner_request_override.raise_by,
		owner_request_override.raise_to, starts, owner_request_override.until, owner_request_override.reason,
		owner_request_override.ticket, aiusage.acting_role(),
		least(clock_timestamp() + owner_request_override.decide_within, owner_request_override.until))
	RETURNING r.request INTO number;
	INSERT INTO aiusage.quota_event (kind, quota, quota_name, "limit", detail, role)
	VALUES ('requested', q.quota, q.name, coalesce(owner_request_override.raise_to, q."limit" + owner_request_override.raise_by),
		format('request %s: %s', number, owner_request_override.reason), aiusage.acting_role());
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_request_override(text, timestamptz, text, numeric, numeric, jsonb, text, timestamptz, interval) IS 'Body of request_override(), for the owner of the books only';

CREATE FUNCTION aiusage.owner_open_request(request bigint, what text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r aiusage.quota_request;
BEGIN
	-- Whoever may withdraw only is told nothing of other people's requests, not even that they are there.
	SELECT * INTO r FROM aiusage.quota_request AS x
	WHERE x.request = owner_open_request.request AND (what <> 'withdraw' OR x.requested_by = aiusage.acting_role()) FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format(CASE what WHEN 'withdraw' THEN 'request %s does not exist, or is not yours' ELSE 'request %s does not exist' END,
				coalesce(owner_open_request.request::text, 'null')),
			HINT = 'aiusage.quota_request lists them.';
	END IF;
	IF r.status <> 'requested' OR (r.expires_at <= clock_timestamp() AND what <> 'refuse') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('request %s is %s and cannot be decided', r.request,
				CASE r.status WHEN 'requested' THEN 'expired' ELSE r.status END),
			HINT = 'Request the raise again with aiusage.request_override().';
	END IF;
	IF what <> 'withdraw' AND (r.requested_by IN (aiusage.acting_role(), session_user) OR r.requested_session IN (aiusage.acting_role(), session_user)) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = format('request %s has to be decided by somebody else than who made it', r.request),
			DETAIL = format('It was made by "%s", logged in as "%s".', r.requested_by, r.requested_session),
			HINT = 'Another approver has to log in; aiusage.withdraw_request() takes back what you asked for.';
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_open_request(bigint, text) IS 'Locks a request that is to be decided. Errors: UA404; UA409 when it is decided or expired; UA403 when it is the caller''s own. To withdraw, those of others do not exist';

CREATE FUNCTION aiusage.owner_decide_request(request bigint, new_status text, note text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE aiusage.quota_request AS r
	SET status = new_status, decided_at = clock_timestamp(), decided_by = aiusage.acting_role(), decision_note = owner_decide_request.note
	WHERE r.request = owner_decide_request.request;
	INSERT INTO aiusage.quota_event (kind, quota, quota_name, subject, subject_text, "limit", detail, role)
	SELECT new_status, q.quota, q.name,
		CASE WHEN r.labels IS NOT NULL THEN aiusage.quota_subject_id(q.quota, q.epoch, r.labels) END,
		CASE WHEN r.labels IS NOT NULL THEN aiusage.quota_subject_text(q.per, q.tag, r.labels) END,
		coalesce(r.raise_to, q."limit" + r.raise_by),
		concat_ws(': ', format('request %s', r.request), owner_decide_request.note), aiusage.acting_role()
	FROM aiusage.quota_request AS r JOIN aiusage.quota AS q ON q.quota = r.quota
	WHERE r.request = owner_decide_request.request;
END
$$;
COMMENT ON FUNCTION aiusage.owner_decide_request(bigint, text, text) IS 'Stores what was decided on a request, with an event';

CREATE FUNCTION aiusage.approve_request(request bigint, note text DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.approve_request(bigint, text) IS 'Approves a request to raise a limit: the override holds everywhere from the commit on. Returns its number. Errors: UA403 when the caller made the request, as the role that acts or the one that is logged in; UA404; UA409 when it is decided or expired, or the limit is retired';

CREATE FUNCTION aiusage.owner_approve_request(request bigint, note text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	number bigint;
BEGIN
	PERFORM aiusage.owner_open_request(owner_approve_request.request, 'approve');
	IF NOT EXISTS (SELECT FROM aiusage.quota_request AS r JOIN aiusage.quota AS q ON q.quota = r.quota AND q.status = 'active'
		WHERE r.request = owner_approve_request.request)
	THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('the limit of request %s is not active any more', owner_approve_request.request),
			HINT = 'It was retired or replaced; ask anew for the limit that took its place.';
	END IF;
	INSERT INTO aiusage.quota_override AS o (quota, labels, raise_by, raise_to, valid_from, valid_until, reason, ticket, request, requested_by, approved_by)
	SELECT r.quota, r.labels, r.raise_by, r.raise_to, r.valid_from, r.valid_until, r.reason, r.ticket, r.request, r.requested_by, aiusage.acting_role()
	FROM aiusage.quota_request AS r WHERE r.request = owner_approve_request.request
	RETURNING o.override INTO number;
	PERFORM aiusage.owner_decide_request(owner_approve_request.request, 'approved', owner_approve_request.note);
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_approve_request(bigint, text) IS 'Body of approve_request(), for the owner of the books only';

CREATE FUNCTION aiusage.refuse_request(request bigint, note text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.refuse_request(bigint, text) IS 'Refuses a request to raise a limit. Errors: UA403 when the caller made the request; UA404; UA409 when it is decided';

CREATE FUNCTION aiusage.owner_refuse_request(request bigint, note text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM aiusage.owner_open_request(owner_refuse_request.request, 'refuse');
	PERFORM aiusage.owner_decide_request(owner_refuse_request.request, 'refused', owner_refuse_request.note);
END
$$;
COMMENT ON FUNCTION aiusage.owner_refuse_request(bigint, text) IS 'Body of refuse_request(), for the owner of the books only';

CREATE FUNCTION aiusage.withdraw_request(request bigint) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.withdraw_request(bigint) IS 'Takes back a request to raise a limit that the caller made. Errors: UA404 when there is none, or somebody else made it; UA409 when it is decided or expired';

CREATE FUNCTION aiusage.owner_withdraw_request(request bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM aiusage.owner_open_request(owner_withdraw_request.request, 'withdraw');
	PERFORM aiusage.owner_decide_request(owner_withdraw_request.request, 'withdrawn', NULL);
END
$$;
COMMENT ON FUNCTION aiusage.owner_withdraw_request(bigint) IS 'Body of withdraw_request(), for the owner of the books only';

CREATE FUNCTION aiusage.end_override(override bigint, reason text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.end_override(bigint, text) IS 'Ends a raise of a limit now. False when it was over already. Errors: UA404; UA422 for no reason';

CREATE FUNCTION aiusage.owner_end_override(override bigint, reason text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o aiusage.quota_override;
BEGIN
	IF coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'ending an override needs a reason',
			HINT = 'Say why in words; an auditor reads it.';
	END IF;
	SELECT * INTO o FROM aiusage.quota_override AS x WHERE x.override = owner_end_override.override FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('override %s does not exist', coalesce(owner_end_override.override::text, 'null')),
			HINT = 'aiusage.quota_override lists them.';
	END IF;
	IF o.valid_until <= clock_timestamp() THEN
		RETURN false;
	END IF;
	UPDATE aiusage.quota_override AS x SET valid_until = greatest(x.valid_from, clock_timestamp()) WHERE x.override = o.override;
	INSERT INTO aiusage.quota_event (kind, quota, quota_name, detail, role)
	SELECT 'ended', q.quota, q.name, left(format('override %s: %s', o.override, reason), 256), aiusage.acting_role()
	FROM aiusage.quota AS q WHERE q.quota = o.quota;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.owner_end_override(bigint, text) IS 'Body of end_override(), for the owner of the books only';
