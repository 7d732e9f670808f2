/* Limits, the engine: the trigger that counts, and what can be seen of its memory. */

CREATE FUNCTION aiusage.charge() RETURNS trigger
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'aiu_charge';
COMMENT ON FUNCTION aiusage.charge() IS 'Trigger of the ledger, AFTER INSERT: counts a row against its limits, or refuses it. Disabled while there are no limits. UA429: a limit is reached; UA402: credit is used up; UA403: more needs an approval; UA422: cannot be checked (no price, another currency); UA503: the counter is not loaded, or aiusage is not preloaded';

CREATE FUNCTION aiusage.quota_counters()
	RETURNS TABLE (quota int, subject uuid, window_start bigint, state text, committed numeric, reserved numeric, held numeric,
		"limit" numeric, last_used timestamptz, pins int, sliding boolean, sub_bucket bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_quota_counters_srf';
COMMENT ON FUNCTION aiusage.quota_counters() IS 'The counters of this database''s limits in shared memory, one row each; numbers in the limit''s currency or unit, NULL while not loaded. state: empty, loading or ready; reserved: rows of open transactions; limit: as of the last row; pins: sessions with open transactions that count in it; window_start as in quota_usage, 0 for sliding limits, whose newest sub-bucket is sub_bucket. No row when aiusage is not preloaded';

CREATE FUNCTION aiusage.quota_memory(OUT preloaded boolean, OUT counters bigint, OUT used bigint, OUT bytes_per_counter bigint,
	OUT bytes bigint, OUT loads bigint, OUT load_failures bigint, OUT evictions bigint, OUT drops bigint, OUT denials bigint,
	OUT denials_waiting bigint, OUT denials_unnamed bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_quota_memory';
COMMENT ON FUNCTION aiusage.quota_memory() IS 'Shared memory of limits, of the whole server since its start: counters there is room for, and in use; what they take; counters loaded, loads that failed, counters evicted although their window was open (they load again), and dropped because it was over; denials, those not written to quota_event yet, and those that came when there was no room for their names. NULL but for preloaded when aiusage is not preloaded';

CREATE FUNCTION aiusage.flush_denials() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_flush_denials';
COMMENT ON FUNCTION aiusage.flush_denials() IS 'Writes the denials of this database that are counted in shared memory to quota_event, and forgets them when the transaction commits; returns how many entries. maintain() calls it. 25001 in a subtransaction; 0A000 at PREPARE TRANSACTION; 0 when aiusage is not preloaded';
