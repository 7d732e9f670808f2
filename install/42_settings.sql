/* Settings of the books: checked where they are written. */

CREATE FUNCTION aiusage.check_setting() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	allowed text;
BEGIN
	IF TG_OP <> 'UPDATE' OR NEW.name <> OLD.name THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403',
			MESSAGE = 'the set of settings is fixed',
			HINT = 'Change a value: UPDATE aiusage.setting SET value = ... WHERE name = ...';
	END IF;
	allowed := CASE NEW.name
		WHEN 'currency' THEN '^[A-Z]{3}$'
		WHEN 'strict_keys' THEN '^(on|off)$'
		WHEN 'strict_prices' THEN '^(on|off)$'
		WHEN 'partition_interval' THEN '^1 (day|week|month)$'
		WHEN 'partitions_ahead' THEN '^([0-9]|[1-9][0-9]|1[01][0-9]|120)$'
		WHEN 'fold_rows' THEN '^([1-9][0-9]{3,7}|100000000)$'
		WHEN 'quota_backfill_rows' THEN '^[0-9]{1,12}$'
		ELSE '^.+$'
	END;
	IF NEW.value !~ allowed
		OR NEW.name = 'time_zone' AND NOT EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = NEW.value) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('invalid value for setting "%s": "%s"', NEW.name, NEW.value),
			HINT = OLD.meaning;
	END IF;
	IF NEW.name = 'default_book' AND NEW.value IS DISTINCT FROM OLD.value
		AND NOT EXISTS (SELECT FROM aiusage.price_book AS b WHERE b.book = NEW.value) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price book "%s" does not exist', NEW.value),
			HINT = 'Insert it into aiusage.price_book first.';
	END IF;
	IF NEW.name = 'currency' AND NEW.value IS DISTINCT FROM OLD.value
		AND EXISTS (SELECT FROM aiusage.usage_record) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = 'the currency of the books cannot change once rows are booked',
			HINT = 'Make a price book of the other currency and name it in the keys or in default_book.';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION aiusage.check_setting() IS 'Trigger of aiusage.setting: only known settings, only valid values (UA403, UA404, UA409, UA422)';
