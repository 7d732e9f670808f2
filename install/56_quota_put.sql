/* Limits: their records, and entering them. */

CREATE FUNCTION aiusage.owner_quota_fields(record jsonb) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET IntervalStyle = 'postgres'
	SET DateStyle = 'ISO'
AS $$
DECLARE
	r jsonb := record;
	f jsonb := '{}';				-- what was understood, by column
	bad text[] := '{}';				-- every complaint
	scope jsonb;
	field text;
	item jsonb;
	value text;
	list text[];
	number numeric;
	length interval;
BEGIN
	IF r IS NULL OR jsonb_typeof(r) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the record of a limit must be a JSON object',
			HINT = 'For example {"name": "search per month", "scope": {"team": "search"}, "metric": "spend", "limit": 500, "currency": "USD", "window": "month"}.';
	END IF;
	-- No message may repeat a secret, so look before anything is read.
	field := (SELECT e.key FROM jsonb_each_text(r) AS e
			  WHERE aiusage.looks_like_secret(e.key) IS NOT NULL OR aiusage.looks_like_secret(e.value) IS NOT NULL LIMIT 1);
	IF field IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = CASE WHEN aiusage.looks_like_secret(field) IS NULL
				THEN format('field "%s" of a limit looks like a secret', left(field, 64))
				ELSE 'the name of a field of a limit looks like a secret' END,
			HINT = 'No secret may be stored here: a key is named by its non-secret label.';
	END IF;
	-- What quota_record() adds, so that its answer can be edited and put back.
	r := r - ARRAY['quota', 'epoch', 'published_at', 'published_by', 'created_at', 'created_by', 'retired_at', 'retired_by', 'replaces'];

	FOR field IN SELECT k FROM jsonb_object_keys(r) AS k WHERE k <> ALL (ARRAY['name', 'status', 'scope', 'per', 'tag', 'metric', 'unit',
		'limit', 'currency', 'window', 'sliding', 'time_zone', 'thresholds', 'action', 'degrade_to', 'reroute_to', 'unpriced',
		'exempt_free', 'notify', 'note']) ORDER BY k
	LOOP
		bad := bad || format('"%s" is no field of a limit', left(field, 64));
	END LOOP;

	-- Texts.
	FOREACH field IN ARRAY ARRAY['name', 'status', 'tag', 'metric', 'unit', 'currency', 'window', 'time_zone', 'action', 'degrade_to',
		'reroute_to', 'unpriced', 'notify', 'note']
	LOOP
		item := nullif(r -> field, 'null');
		CONTINUE WHEN item IS NULL;
		IF jsonb_typeof(item) <> 'string' THEN
			bad := bad || format('"%s" must be text', field);
		ELSIF octet_length(item #>> '{}') NOT BETWEEN 1 AND 256 THEN
			bad := bad || format('"%s" must have 1 to 256 bytes', field);
		ELSE
			f := f || jsonb_build_object(field, item);
		END IF;
	END LOOP;

	-- Whom it is about.
	scope := coalesce(nullif(r -> 'scope', 'null'), '{}');
	IF jsonb_typeof(scope) <> 'object' THEN
		bad := bad || '"scope" must be an object'::text;
		scope := '{}';
	END IF;
	FOR field, item IN SELECT e.key, nullif(e.value, 'null') FROM jsonb_each(scope) AS e ORDER BY e.key
	LOOP
		CONTINUE WHEN item IS NULL;
		IF field = 'tag' THEN
			IF jsonb_typeof(item) <> 'object' OR (SELECT count(*) FROM jsonb_object_keys(CASE jsonb_typeof(item) WHEN 'object' THEN item ELSE '{}' END)) <> 1 THEN
				bad := bad || '"tag" of "scope" must be an object of one tag and its value, such as {"feature": "search"}'::text;
				CONTINUE;
			END IF;
			SELECT e.key, e.value INTO field, value FROM jsonb_each_text(item) AS e;
			IF f ->> 'tag' <> field THEN
				bad := bad || format('"tag" of "scope" is about "%s", "tag" about "%s"', left(field, 64), f ->> 'tag');
			END IF;
			IF value IS NULL OR octet_length(value) NOT BETWEEN 1 AND 256 OR octet_length(field) NOT BETWEEN 1 AND 256 THEN
				bad := bad || '"tag" of "scope" must have a name and a value of 1 to 256 bytes'::text;
			ELSE
				f := f || jsonb_build_object('tag', field, 'tag_value', value);
			END IF;
		ELSIF field <> ALL (aiusage.quota_dimensions()) THEN
			bad := bad || format('"%s" of "scope" is not known; a scope has %s', left(field, 64),
				array_to_string(aiusage.quota_dimensions(), ', '));
		ELSIF jsonb_typeof(item) <> 'string' OR octet_length(item #>> '{}') NOT BETWEEN 1 AND 256 THEN
			bad := bad || format('"%s" of "scope" must be text of 1 to 256 bytes', field);
		ELSE
			f := f || jsonb_build_object(field, item);
		END IF;
	END LOOP;
	IF f ? 'team' AND NOT EXISTS (SELECT FROM aiusage.team AS t WHERE t.team = f ->> 'team') THEN
		bad := bad || format('team "%s" does not exist', left(f ->> 'team', 64));
	END IF;
	IF f ? 'cost_center' AND NOT EXISTS (SELECT FROM aiusage.cost_center AS c WHERE c.cost_center = f ->> 'cost_center') THEN
		bad := bad || format('cost center "%s" does not exist', left(f ->> 'cost_center', 64));
	END IF;
	IF f ? 'api_key' AND NOT EXISTS (SELECT FROM aiusage.api_key AS k WHERE k.api_key = f ->> 'api_key') THEN
		bad := bad || format('key "%s" does not exist', left(f ->> 'api_key', 64));
	END IF;
	IF f ->> 'key_class' NOT IN ('development', 'staging', 'production', 'batch', 'customer', 'evaluation') THEN
		bad := bad || format('key class "%s" is not known', left(f ->> 'key_class', 64));
	END IF;

	-- By what it is kept apart.
	item := coalesce(nullif(r -> 'per', 'null'), '[]');
	IF jsonb_typeof(item) = 'string' THEN
		item := jsonb_build_array(item);
	END IF;
	IF jsonb_typeof(item) <> 'array' OR EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(item) WHEN 'array' THEN item ELSE '[]' END) AS e
			WHERE jsonb_typeof(e) <> 'string') THEN
		bad := bad || '"per" must be a list of dimensions'::text;
	ELSE
		list := ARRAY(SELECT e.value FROM jsonb_array_elements_text(item) WITH ORDINALITY AS e (value, ord) ORDER BY e.ord);
		FOREACH value IN ARRAY list
		LOOP
			IF value <> ALL (aiusage.quota_dimensions()) THEN
				bad := bad || format('"%s" of "per" is not known; it may have %s', left(value, 64),
					array_to_string(aiusage.quota_dimensions(), ', '));
			END IF;
		END LOOP;
		IF (SELECT count(DISTINCT e) FROM unnest(list) AS e) < cardinality(list) THEN
			bad := bad || '"per" names a dimension twice'::text;
		END IF;
		IF 'tag' = ANY (list) AND NOT f ? 'tag' THEN
			bad := bad || '"per" has "tag", but "tag" does not say which'::text;
		END IF;
		IF f ? 'tag' AND NOT f ? 'tag_value' AND 'tag' <> ALL (list) THEN
			bad := bad || '"tag" is neither in "scope" nor in "per"'::text;
		END IF;
		f := f || jsonb_build_object('per', to_jsonb(list));
	END IF;

	-- What is counted.
	value := f ->> 'metric';
	IF value IS NULL THEN
		bad := bad || '"metric" is missing: spend, requests, tokens, errors, concurrency, or the name of a unit'::text;
	ELSIF value NOT IN ('spend', 'requests', 'tokens', 'unit', 'errors', 'concurrency') THEN
		IF value !~ '^[a-z][a-z0-9_]*$' OR octet_length(value) > 63 THEN
			bad := bad || format('metric "%s" is neither spend, requests, tokens, errors, concurrency nor the name of a unit', left(value, 64));
		ELSIF f ? 'unit' THEN
			bad := bad || '"unit" goes with metric "unit" only'::text;
		ELSE
			f := f || jsonb_build_object('metric', 'unit', 'unit', value);
		END IF;
	ELSIF value = 'unit' AND NOT f ? 'unit' THEN
		bad := bad || '"unit" is missing: the name of the unit that is counted'::text;
	ELSIF value <> 'unit' AND f ? 'unit' THEN
		bad := bad || '"unit" goes with metric "unit" only'::text;
	END IF;
	IF f ->> 'unit' !~ '^[a-z][a-z0-9_]*$' OR octet_length(f ->> 'unit') > 63 THEN
		bad := bad || format('"%s" is not the name of a unit', left(f ->> 'unit', 64));
	END IF;
	IF f ->> 'metric' = 'spend' THEN
		IF NOT f ? 'currency' THEN
			f := f || jsonb_build_object('currency', (SELECT s.value FROM aiusage.setting AS s WHERE s.name = 'currency'));
		END IF;
		IF f ->> 'currency' !~ '^[A-Z]{3}$' THEN
			bad := bad || '"currency" must be three letters A-Z'::text;
		END IF;
	ELSIF f ? 'currency' THEN
		bad := bad || '"currency" goes with metric "spend" only'::text;
	END IF;

	-- How much.
	item := nullif(r -> 'limit', 'null');
	IF item IS NULL THEN
		bad := bad || '"limit" is missing'::text;
	ELSIF jsonb_typeof(item) NOT IN ('number', 'string') THEN
		bad := bad || '"limit" must be a number'::text;
	ELSE
		BEGIN
			number := (item #>> '{}')::numeric;
		EXCEPTION WHEN data_exception THEN
			number := 'NaN';
		END;
		IF number = 'NaN' OR number < 0 OR number > 1e24 THEN
			bad := bad || '"limit" must be a number from 0 to 1e24'::text;
		ELSIF scale(trim_scale(number)) > 12 THEN
			bad := bad || '"limit" has more than 12 decimals'::text;
		ELSE
			f := f || jsonb_build_object('limit', trim_scale(number));
		END IF;
	END IF;

	-- In which windows.
	FOREACH field IN ARRAY ARRAY['sliding', 'exempt_free']
	LOOP
		item := coalesce(nullif(r -> field, 'null'), to_jsonb(field = 'exempt_free'));
		IF jsonb_typeof(item) <> 'boolean' THEN
			bad := bad || format('"%s" must be true or false', field);
			item := to_jsonb(field = 'exempt_free');
		END IF;
		f := f || jsonb_build_object(field, item);
	END LOOP;
	IF f ->> 'metric' = 'concurrency' THEN
		IF coalesce(f ->> 'window', 'total') <> 'total' OR f -> 'sliding' = 'true' THEN
			bad := bad || '"window" does not go with metric "concurrency", which is what is open now'::text;
		END IF;
		f := f || '{"window": "total"}';
	ELSIF NOT f ? 'window' THEN
		bad := bad || '"window" is missing: minute, hour, day, week, month, invoice_period, total, or an interval such as "5 hours"'::text;
	END IF;
	value := f ->> 'window';
	IF value NOT IN ('minute', 'hour', 'day', 'week', 'month', 'invoice_period', 'total') THEN
		BEGIN
			length := value::interval;
		EXCEPTION WHEN data_exception THEN
			length := NULL;
		END;
		IF length IS NULL THEN
			bad := bad || format('window "%s" is neither minute, hour, day, week, month, invoice_period, total nor an interval', left(value, 64));
		ELSIF (extract(year FROM length) * 12 + extract(month FROM length) <> 0)::int + (extract(day FROM length) <> 0)::int
			+ (extract(epoch FROM length) <> extract(epoch FROM date_trunc('day', length)))::int <> 1 THEN
			bad := bad || format('window "%s" must be months, or days, or time, not a mixture', left(value, 64));
		ELSIF length < interval '1 second' OR length > interval '100 years' THEN
			bad := bad || '"window" must be from 1 second to 100 years'::text;
		ELSIF date_trunc('second', length) <> length THEN
			bad := bad || '"window" must be whole seconds'::text;
		ELSE
			f := f || jsonb_build_object('window', 'interval', 'window_length', length::text);
		END IF;
	END IF;
	IF f -> 'sliding' = 'true' AND (f ->> 'window' IN ('month', 'invoice_period', 'total') OR
		extract(year FROM length) * 12 + extract(month FROM length) <> 0) THEN
		bad := bad || '"sliding" needs a window of a fixed length: a minute, hour, day, week, or an interval of days or time'::text;
	END IF;
	IF f -> 'sliding' = 'true' AND length < interval '12 seconds' THEN
		bad := bad || '"sliding" needs a window of at least 12 seconds'::text;
	END IF;
	value := coalesce(f ->> 'time_zone', (SELECT c.time_zone FROM aiusage.billing_calendar AS c WHERE c.calendar = 1));
	f := f || jsonb_build_object('time_zone', (SELECT z.name FROM pg_timezone_names AS z WHERE lower(z.name) = lower(value) LIMIT 1));
	IF f ->> 'time_zone' IS NULL THEN
		bad := bad || format('time zone "%s" is not known', left(value, 64));
	END IF;

	-- What happens.
	item := coalesce(nullif(r -> 'thresholds', 'null'), '[]');
	IF jsonb_typeof(item) <> 'array' OR EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(item) WHEN 'array' THEN item ELSE '[]' END) AS e
			WHERE CASE WHEN jsonb_typeof(e) = 'number' THEN (e #>> '{}')::numeric NOT BETWEEN 1 AND 1000 OR scale(trim_scale((e #>> '{}')::numeric)) > 0
				ELSE true END) OR
		jsonb_array_length(CASE jsonb_typeof(item) WHEN 'array' THEN item ELSE '[]' END) > 8
	THEN
		bad := bad || '"thresholds" must be a list of at most 8 whole percentages from 1 to 1000'::text;
	ELSE
		f := f || jsonb_build_object('thresholds', (SELECT coalesce(jsonb_agg(t.p ORDER BY t.p), '[]')
			FROM (SELECT DISTINCT (e #>> '{}')::numeric::int AS p FROM jsonb_array_elements(item) AS e) AS t));
	END IF;
	f := '{"action": "reject", "unpriced": "reject", "status": "active"}'::jsonb || f;
	IF f ->> 'action' NOT IN ('reject', 'throttle', 'degrade', 'reroute', 'approve', 'flag') THEN
		bad := bad || format('action "%s" is not known; it is reject, throttle, degrade, reroute, approve or flag', left(f ->> 'action', 64));
	END IF;
	FOREACH field IN ARRAY ARRAY['degrade', 'reroute']
	LOOP
		IF (f ->> 'action' = field) <> (f ? (field || '_to')) THEN
			bad := bad || format(CASE WHEN f ->> 'action' = field THEN '"%s_to" is missing' ELSE '"%s_to" goes with action "%s" only' END, field, field);
		END IF;
	END LOOP;
	IF f ->> 'unpriced' NOT IN ('reject', 'allow') THEN
		bad := bad || '"unpriced" must be reject or allow'::text;
	END IF;
	IF f ->> 'status' NOT IN ('active', 'draft') THEN
		bad := bad || '"status" must be active or draft; aiusage.retire_quota() ends a limit'::text;
	END IF;
	IF NOT f ? 'name' THEN
		bad := bad || '"name" is missing'::text;
	END IF;

	IF cardinality(bad) > 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the record of a limit is not valid',
			DETAIL = array_to_string(bad, '; ') || '.',
			HINT = 'docs/limits.md has every field, aiusage.quota_record() those of a limit that exists. Whom a scope names is entered first: aiusage.put_key(), put_team() and their like.';
	END IF;
	RETURN f;
END
$$;
COMMENT ON FUNCTION aiusage.owner_quota_fields(jsonb) IS 'The record of a limit as columns of aiusage.quota, checked. Errors: UA422, which names everything that is wrong';

CREATE FUNCTION aiusage.put_quota(record jsonb, replace boolean DEFAULT false) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.put_quota(jsonb, boolean) IS 'Enters or changes a limit from its whole record, by its name, and publishes it unless its status is draft; returns its number. The same record again changes nothing. How much an active limit allows, and what happens then, may change; what it counts may not, unless replace puts a new limit in its place. Publishing waits for transactions that are writing usage. Errors: UA422 with everything that is wrong in the record; UA409 when what it counts would change, or in a transaction that has booked usage; 53400 when more than 16 limits would apply to one row, or too many rows would have to be read; 55P03 when usage is being written for too long';

CREATE FUNCTION aiusage.owner_put_quota(record jsonb, replace boolean) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET IntervalStyle = 'postgres'
	SET DateStyle = 'ISO'
AS $$
#variable_conflict use_column
DECLARE
	counted text[] := aiusage.quota_dimensions() || ARRAY['tag_value', 'per', 'metric', 'unit', 'currency', 'window', 'window_length',
		'sliding', 'time_zone'];
	f jsonb := aiusage.owner_quota_fields(record);
	n aiusage.quota;
	known aiusage.quota;
	changed text;
	replaced int;
	result int;
BEGIN
	-- Changes of limits follow each other.
	LOCK TABLE aiusage.quota IN SHARE ROW EXCLUSIVE MODE;
	n := jsonb_populate_record(NULL::aiusage.quota, f);
	SELECT * INTO known FROM aiusage.quota AS q WHERE q.name = n.name AND q.status <> 'retired';

	IF known.wallet THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('limit "%s" is the credit of a wallet', n.name),
			HINT = 'aiusage.put_wallet() changes it, recharges raise it.';
	END IF;
	IF known.status = 'active' THEN
		changed := (
			SELECT string_agg(format('"%s"', o.key), ', ' ORDER BY o.key)
			FROM jsonb_each(to_jsonb(known)) AS o JOIN jsonb_each(to_jsonb(n)) AS x USING (key)
			WHERE o.value <> x.value AND o.key = ANY (counted));
		IF changed IS NOT NULL AND NOT coalesce(replace, false) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('limit "%s" is active, and what it counts cannot be changed', n.name),
				DETAIL = format('The record says something else of %s.', changed),
				HINT = 'Pass replace => true to put a new limit in its place, which counts anew from the ledger.';
		END IF;
		IF n.status = 'draft' THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('limit "%s" is active and cannot be a draft again', n.name),
				HINT = 'aiusage.retire_quota() ends it.';
		END IF;
		IF changed IS NOT NULL THEN
			PERFORM aiusage.owner_retire_quota(n.name, 'replaced');
			replaced := known.quota;
			known := NULL;
		END IF;
	END IF;

	IF known.status = 'active' THEN
		IF (known."limit", known.thresholds, known.action, known.degrade_to, known.reroute_to, known.unpriced, known.exempt_free,
			known.notify, known.note) IS NOT DISTINCT FROM
			(n."limit", n.thresholds, n.action, n.degrade_to, n.reroute_to, n.unpriced, n.exempt_free, n.notify, n.note)
		THEN
			RETURN known.quota;
		END IF;
		UPDATE aiusage.quota AS q
		SET "limit" = n."limit", thresholds = n.thresholds, action = n.action, degrade_to = n.degrade_to, reroute_to = n.reroute_to,
			unpriced = n.unpriced, exempt_free = n.exempt_free, notify = n.notify, note = n.note
		WHERE q.quota = known.quota;
		INSERT INTO aiusage.quota_event (kind, quota, quota_name, "limit", detail, role)
		VALUES ('changed', known.quota, known.name, n."limit",
			CASE WHEN n."limit" <> known."limit" THEN format('limit %s instead of %s', n."limit", known."limit") END, aiusage.acting_role());
		RETURN known.quota;
	END IF;

	IF known.status = 'draft' THEN
		DELETE FROM aiusage.quota AS q WHERE q.quota = known.quota;
	END IF;
	INSERT INTO aiusage.quota AS q (name, api_key, key_class, team, cost_center, project, customer, plan_tier, user_id, environment,
		workflow, job_id, provider, model, endpoint, tag, tag_value, per, metric, unit, currency, "limit", "window", window_length,
		sliding, time_zone, thresholds, action, degrade_to, reroute_to, unpriced, exempt_free, notify, note, replaces, created_by)
	VALUES (n.name, n.api_key, n.key_class, n.team, n.cost_center, n.project, n.customer, n.plan_tier, n.user_id, n.environment,
		n.workflow, n.job_id, n.provider, n.model, n.endpoint, n.tag, n.tag_value, n.per, n.metric, n.unit, n.currency, n."limit",
		n."window", n.window_length, n.sliding, n.time_zone, n.thresholds, n.action, n.degrade_to, n.reroute_to, n.unpriced,
		n.exempt_free, n.notify, n.note, replaced, aiusage.acting_role())
	RETURNING q.quota INTO result;
	IF n.status = 'active' THEN
		PERFORM aiusage.owner_publish_quota(result);
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION aiusage.owner_put_quota(jsonb, boolean) IS 'Body of put_quota(), for the owner of the books only';

CREATE FUNCTION aiusage.quota_record(name text) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	SET IntervalStyle = 'postgres'
	SET DateStyle = 'ISO'
AS $$
#variable_conflict use_column
DECLARE
	q aiusage.quota;
BEGIN
	SELECT * INTO q FROM aiusage.quota AS x WHERE x.name = quota_record.name ORDER BY x.status = 'retired', x.quota DESC LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('limit "%s" does not exist', left(quota_record.name, 64)),
			HINT = 'aiusage.put_quota() enters one.';
	END IF;
	RETURN jsonb_strip_nulls(jsonb_build_object(
		'quota', q.quota, 'name', q.name, 'status', q.status,
		'scope', (SELECT coalesce(jsonb_object_agg(d.name, to_jsonb(q) -> d.name), '{}')
			FROM unnest(aiusage.quota_dimensions()) AS d (name) WHERE d.name <> 'tag' AND to_jsonb(q) -> d.name <> 'null')
			|| CASE WHEN q.tag_value IS NULL THEN '{}' ELSE jsonb_build_object('tag', jsonb_build_object(q.tag, q.tag_value)) END,
		'per', q.per, 'tag', q.tag, 'metric', q.metric, 'unit', q.unit, 'limit', q."limit", 'currency', q.currency,
		'window', coalesce(q.window_length::text, q."window"), 'sliding', q.sliding, 'time_zone', q.time_zone, 'thresholds', q.thresholds,
		'action', q.action, 'degrade_to', q.degrade_to, 'reroute_to', q.reroute_to, 'unpriced', q.unpriced, 'exempt_free', q.exempt_free,
		'notify', q.notify, 'note', q.note, 'replaces', q.replaces, 'epoch', q.epoch,
		'published_at', q.published_at, 'published_by', q.published_by, 'retired_at', q.retired_at, 'retired_by', q.retired_by,
		'created_at', q.created_at, 'created_by', q.created_by));
END
$$;
COMMENT ON FUNCTION aiusage.quota_record(text) IS 'The whole record of a limit: the fields of put_quota(), and when and by whom it was published. It can be edited and put back. Errors: UA404';
