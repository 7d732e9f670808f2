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
COMMENT ON FUNCTION aiusage.append_only() IS 'Trigger of the ledger: refuses UPDATE, DELETE and TRUNCATE (UA403), but for what erasing and moving may do, each in its one way';

CREATE FUNCTION aiusage.permit_change(what text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_permit_change';
COMMENT ON FUNCTION aiusage.permit_change(text) IS 'Lets this transaction erase (set identifiers of ledger rows to NULL, and nothing else) or move (delete from the DEFAULT partition), until NULL takes it back. For the functions of the books'' owner that do so. UA422 for anything else';

CREATE FUNCTION aiusage.change_permitted() RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_change_permitted';
COMMENT ON FUNCTION aiusage.change_permitted() IS 'Whether this transaction is erasing identifiers just now; guards of other tables ask';

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
