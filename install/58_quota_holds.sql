/*
 * Admission: may this request be made, and the hold that keeps its room.  For
 * gateways; the functions read the books as their owner.
 */

-- A type with a name: what a function's own columns would be is looked up anew by every call, twice.
CREATE TYPE aiusage.admission AS (
	decision text,
	model text,
	route text,
	hold_id uuid,
	estimated_cost numeric,
	currency text,
	remaining numeric,
	resets_at timestamptz,
	retry_after interval,
	http_status int,
	quota text,
	message text
);
COMMENT ON TYPE aiusage.admission IS 'What admit() and extend_hold() answer';
COMMENT ON COLUMN aiusage.admission.decision IS 'allow, degrade, reroute, throttle, approve or deny; never NULL';
COMMENT ON COLUMN aiusage.admission.model IS 'The model to use: what was asked for, or with degrade the cheaper one';
COMMENT ON COLUMN aiusage.admission.route IS 'With reroute, the route to ask again for; else NULL';
COMMENT ON COLUMN aiusage.admission.hold_id IS 'The hold that keeps the room; NULL when there is none';
COMMENT ON COLUMN aiusage.admission.estimated_cost IS 'What the worst case costs, in currency; NULL without a price';
COMMENT ON COLUMN aiusage.admission.currency IS 'Currency of estimated_cost; NULL without a price';
COMMENT ON COLUMN aiusage.admission.remaining IS 'What is left of the limit in quota, in its currency or unit; NULL when no limit applies';
COMMENT ON COLUMN aiusage.admission.resets_at IS 'When there is room again in that limit, or its window ends; NULL: never';
COMMENT ON COLUMN aiusage.admission.retry_after IS 'How long to wait, when it is refused and waiting helps; else NULL';
COMMENT ON COLUMN aiusage.admission.http_status IS '200, 402, 403, 422 or 429';
COMMENT ON COLUMN aiusage.admission.quota IS 'The limit that refuses, or is nearest to its end; NULL when none applies';
COMMENT ON COLUMN aiusage.admission.message IS 'Why it is refused or degraded, in a sentence; NULL when it is allowed';

CREATE FUNCTION aiusage.admit(api_key text, provider text, model text, usage aiusage.usage, operation_id text DEFAULT NULL,
		service_tier text DEFAULT NULL, endpoint text DEFAULT NULL, region text DEFAULT NULL, customer text DEFAULT NULL,
		user_id text DEFAULT NULL, workflow text DEFAULT NULL, ttl interval DEFAULT '10 minutes', durable boolean DEFAULT true)
	RETURNS aiusage.admission
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_admit';
COMMENT ON FUNCTION aiusage.admit(text, text, text, aiusage.usage, text, text, text, text, text, text, text, interval, boolean) IS 'May this request be made? usage is its worst case. decision: allow; degrade (model is the cheaper one to use); reroute (route is the one to use, ask again for it); throttle or deny (retry_after says when, NULL: not by waiting); approve (more needs an approval). With allow and degrade, hold_id keeps the room until it is booked, released, or ttl (at most 7 days) is over; durable => false keeps it in memory only, without WAL. estimated_cost in currency, NULL without a price; remaining of the limit named in quota, in its currency or unit; http_status 200, 402, 403, 422 or 429. Errors: UA422 a missing or bad argument; UA503 not preloaded, counters or holds full or not loaded; 25006 on a standby; 0A000 at PREPARE TRANSACTION';

CREATE FUNCTION aiusage.extend_hold(hold_id uuid, usage aiusage.usage)
	RETURNS aiusage.admission
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_extend_hold';
COMMENT ON FUNCTION aiusage.extend_hold(uuid, aiusage.usage) IS 'Makes a hold as large as usage, the worst case of the whole request by now, and gives it its ttl anew; for long streams. It never shrinks. Answers as admit() does; refused, the hold stays as it was. Errors: UA404 the hold is not open; UA422; UA503; 25006 on a standby';

CREATE FUNCTION aiusage.release(hold_id uuid) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_release';
COMMENT ON FUNCTION aiusage.release(uuid) IS 'Frees what is left of a hold when this transaction commits: the request was not made, or will not be tried again. false: it was not open any more. Errors: UA422 hold_id is NULL; 25006 on a standby';

CREATE FUNCTION aiusage.hold_standing(hold_id uuid, api_key text) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_hold_id_standing';
COMMENT ON FUNCTION aiusage.hold_standing(uuid, text) IS 'What a row of this key that names the hold is to limits: open or late (expired, or lost in a restart): booked whatever they say; forged (not made by admit() for this key) or reused (settled or released before): an insert like any other. UA422 when one is NULL';

CREATE FUNCTION aiusage.quota_holds()
	RETURNS TABLE (hold_id uuid, status text, durable boolean, created_at timestamptz, expires_at timestamptz, api_key text,
		provider text, model text, estimated_cost numeric, currency text, quota int, subject uuid, window_start bigint,
		held numeric, held_at_first numeric, claimed boolean)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_quota_holds_srf';
COMMENT ON FUNCTION aiusage.quota_holds() IS 'The holds of this database in shared memory, one row a hold and limit (quota NULL: it holds of none): status open or closed (settled or released before its time); held in the limit''s currency or unit. claimed: by a transaction that is open and made, extends, draws on or ends it, for whose end others wait. Labels NULL when they were too long to keep. No row when aiusage is not preloaded';

CREATE FUNCTION aiusage.quota_held(quota int, labels text[], window_start bigint) RETURNS numeric
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_sql_quota_held';
COMMENT ON FUNCTION aiusage.quota_held(int, text[], bigint) IS 'What open holds have of one counter now (labels: of the limit''s per; window_start 0: a sliding limit), in the limit''s currency or unit: from memory, else (on a standby, without preload, not loaded) of the durable holds. NULL for a limit that is not active, and for a counter that quota_state would not show the caller. For that view. Errors: UA422 for more labels than there are dimensions';

CREATE FUNCTION aiusage.sweep_holds() RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_sweep_holds';
COMMENT ON FUNCTION aiusage.sweep_holds() IS 'Frees the holds in memory that have expired, of every database; returns how many. Admission does so too, before it refuses';

CREATE FUNCTION aiusage.prune_holds() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.prune_holds() IS 'Frees holds that have expired, and removes durable ones from the books that ended more than a day ago; returns how many rows. maintain() calls it';

CREATE FUNCTION aiusage.owner_prune_holds() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	pruned bigint;
BEGIN
	PERFORM aiusage.sweep_holds();
	DELETE FROM aiusage.hold AS h
	WHERE least(h.expires_at, h.closed_at) < clock_timestamp() - interval '1 day';
	GET DIAGNOSTICS pruned = ROW_COUNT;
	RETURN pruned;
END
$$;
COMMENT ON FUNCTION aiusage.owner_prune_holds() IS 'Body of prune_holds(), for the owner of the books only';
