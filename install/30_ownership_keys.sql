/* Keys: their records, owners, credentials and status. */

-- Reading the fields of a record -----------------------------------------

CREATE FUNCTION aiusage.record_field(record jsonb, field text, kind text) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	value jsonb := record_field.record -> record_field.field;
BEGIN
	IF value IS NULL OR jsonb_typeof(value) = 'null' THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(value) <> record_field.kind THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('field "%s" of a key record must be %s', record_field.field,
				CASE record_field.kind WHEN 'string' THEN 'text' WHEN 'array' THEN 'a list of texts' WHEN 'boolean' THEN 'true or false' ELSE 'an object' END),
			DETAIL = format('It is of JSON type %s.', jsonb_typeof(value)),
			HINT = 'Leave it out, or say null, when there is nothing to say.';
	END IF;
	IF value = '""' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('field "%s" of a key record must not be empty', record_field.field),
			HINT = 'Leave it out, or say null, when there is nothing to say.';
	END IF;
	RETURN value;
END
$$;
COMMENT ON FUNCTION aiusage.record_field(jsonb, text, text) IS 'A field of a key record that has to be of a JSON type (string, array, object, boolean), NULL when absent. Errors: UA422';

CREATE FUNCTION aiusage.record_text(record jsonb, field text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN aiusage.record_field(record, field, 'string') OPERATOR(pg_catalog.#>>) '{}';
COMMENT ON FUNCTION aiusage.record_text(jsonb, text) IS 'A text field of a key record, NULL when absent. Errors: UA422';

CREATE FUNCTION aiusage.record_list(record jsonb, field text) RETURNS text[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	list jsonb := aiusage.record_field(record_list.record, record_list.field, 'array');
BEGIN
	IF list IS NULL THEN
		RETURN NULL;
	END IF;
	IF list = '[]' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('field "%s" of a key record is an empty list', record_list.field),
			DETAIL = 'Nothing would be allowed.',
			HINT = 'Leave it out to allow everything, or disable the key.';
	END IF;
	IF EXISTS (SELECT FROM jsonb_array_elements(list) AS e WHERE jsonb_typeof(e) <> 'string' OR e = '""') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('field "%s" of a key record must be a list of texts', record_list.field),
			HINT = 'For example {"allowed_models": ["gpt-4o", "claude-*"]}.';
	END IF;
	RETURN ARRAY(SELECT e.value FROM jsonb_array_elements_text(list) WITH ORDINALITY AS e (value, ord) ORDER BY e.ord);
END
$$;
COMMENT ON FUNCTION aiusage.record_list(jsonb, text) IS 'A field of a key record that lists texts, NULL when absent. Errors: UA422';

CREATE FUNCTION aiusage.record_fields_known(record jsonb, known text[], what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unknown text := (SELECT k FROM jsonb_object_keys(record_fields_known.record) AS k
					 WHERE k <> ALL (record_fields_known.known) ORDER BY k LIMIT 1);
BEGIN
	IF unknown IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('unknown field "%s" in %s', left(unknown, 64), record_fields_known.what),
			HINT = format('It has the fields %s.', array_to_string(record_fields_known.known, ', '));
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.record_fields_known(jsonb, text[], text) IS 'Refuses a record that has a field not listed (UA422)';

-- The record of a key ----------------------------------------------------

CREATE FUNCTION aiusage.put_key(record jsonb, force boolean DEFAULT false) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r jsonb := put_key.record;
	rotation jsonb;
	key_now record;					-- of aiusage.api_key, as key_new; where there are no books, there is no such type
	key_new record;
	is_new boolean;
	ownership text[];				-- of the record, in the order of the columns
	has_ownership boolean;
	starts timestamptz;				-- when the record's ownership begins
	starts_said boolean;
	has_history boolean;
	at_start record;				-- assignment in force then
	ends timestamptz;				-- when the next known ownership begins
	result bigint;
	field text;
	value text;
BEGIN
	PERFORM aiusage.require_books();
	SELECT * INTO key_new FROM aiusage.api_key WHERE false;
	IF r IS NULL OR jsonb_typeof(r) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the record of a key must be a JSON object',
			HINT = 'For example {"key": "checkout-api", "team": "payments", "environment": "production"}.';
	END IF;

	-- No message may repeat a secret, so look before anything is read.
	field := (SELECT f.key FROM jsonb_each_text(r) AS f
			  WHERE aiusage.looks_like_secret(f.key) IS NOT NULL OR aiusage.looks_like_secret(f.value) IS NOT NULL
			  ORDER BY f.key NOT IN ('key', 'api_key'), f.key LIMIT 1);
	IF field IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = CASE WHEN aiusage.looks_like_secret(field) IS NULL
				THEN format('field "%s" of a key record looks like a secret', left(field, 64))
				ELSE 'the name of a field of a key record looks like a secret' END,
			DETAIL = format('It looks like: %s.', coalesce(aiusage.looks_like_secret(field), aiusage.looks_like_secret(r ->> field))),
			HINT = CASE WHEN field IN ('key', 'api_key')
				THEN 'The key must be a non-secret label, such as the name of the workload that uses it.'
				ELSE 'No secret may be stored here: use a label.' END;
	END IF;
	-- What key_record() adds, so that its answer can be edited and put back
	r := r - ARRAY['status_reason', 'assignment', 'later_assignments', 'credentials', 'rotated_at', 'created_at', 'created_by', 'quotas', 'missing'];

	-- Other spellings of the same fields.
	FOREACH field IN ARRAY ARRAY['api_key,key', 'scope_class,class', 'escalation,escalation_contact']
	LOOP
		IF r ? split_part(field, ',', 1) AND NOT r ? split_part(field, ',', 2) THEN
			r := jsonb_set(r - split_part(field, ',', 1), ARRAY[split_part(field, ',', 2)], r -> split_part(field, ',', 1));
		END IF;
	END LOOP;
	PERFORM aiusage.record_fields_known(aiusage.record_field(r, 'allowed', 'object'), ARRAY['providers', 'models', 'endpoints'],
		'field "allowed" of a key record');
	r := coalesce((SELECT jsonb_object_agg('allowed_' || a.key, a.value)
		FROM jsonb_each(aiusage.record_field(r, 'allowed', 'object')) AS a), '{}') || (r - 'allowed');
	PERFORM aiusage.record_fields_known(r, ARRAY['key', 'class', 'status', 'team', 'cost_center', 'project', 'environment',
		'workflow', 'customer', 'owner', 'owner_kind', 'product', 'allowed_providers', 'allowed_models', 'allowed_endpoints',
		'escalation_contact', 'review_cadence', 'reviewed_on', 'rotation', 'price_book', 'charge_book', 'strict_prices', 'retention_class', 'valid_from'],
		'a key record');
	rotation := aiusage.record_field(r, 'rotation', 'object');
	PERFORM aiusage.record_fields_known(rotation, ARRAY['due', 'owner', 'trigger', 'replaced_by'], 'field "rotation" of a key record');

	-- The key itself.
	key_new.api_key := aiusage.record_text(r, 'key');
	IF key_new.api_key IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the record names no key',
			HINT = 'Field "key" is the non-secret label of the key.';
	END IF;
	key_new.class := aiusage.record_text(r, 'class');
	IF key_new.class NOT IN ('development', 'staging', 'production', 'batch', 'customer', 'evaluation') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('key class "%s" is not known', left(key_new.class, 64)),
			HINT = 'Classes are development, staging, production, batch, customer and evaluation.';
	END IF;
	key_new.status := aiusage.record_text(r, 'status');
	IF key_new.status NOT IN ('active', 'disabled') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('key status "%s" is not known', left(key_new.status, 64)),
			HINT = 'A key is active or disabled.';
	END IF;
	key_new.allowed_providers := aiusage.record_list(r, 'allowed_providers');
	key_new.allowed_models := aiusage.record_list(r, 'allowed_models');
	key_new.allowed_endpoints := aiusage.record_list(r, 'allowed_endpoints');
	key_new.escalation_contact := aiusage.record_text(r, 'escalation_contact');
	key_new.rotation_owner := aiusage.record_text(rotation, 'owner');
	key_new.rotation_trigger := aiusage.record_text(rotation, 'trigger');
	key_new.replaced_by := aiusage.record_text(rotation, 'replaced_by');
	key_new.strict_prices := aiusage.record_field(r, 'strict_prices', 'boolean')::boolean;
	key_new.retention_class := aiusage.record_text(r, 'retention_class');
	IF key_new.retention_class IS NOT NULL AND NOT EXISTS (SELECT FROM aiusage.retention_class AS c WHERE c.class = key_new.retention_class) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('retention class "%s" does not exist', left(key_new.retention_class, 64)),
			HINT = 'aiusage.put_retention_class() makes one; aiusage.retention_class lists them.';
	END IF;
	BEGIN
		field := 'review_cadence';
		value := aiusage.record_text(r, 'review_cadence');
		key_new.review_cadence := value::interval;
		field := 'reviewed_on';
		value := aiusage.record_text(r, 'reviewed_on');
		key_new.reviewed_on := value::date;
		field := 'due';
		value := aiusage.record_text(rotation, 'due');
		key_new.rotation_due := value::date;
		field := 'valid_from';
		value := aiusage.record_text(r, 'valid_from');
		starts := value::timestamptz;
	EXCEPTION WHEN data_exception THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('field "%s" of a key record cannot be read', field),
			DETAIL = format('"%s" is not %s.', left(value, 64),
				CASE field WHEN 'review_cadence' THEN 'an interval' WHEN 'valid_from' THEN 'a time' ELSE 'a day' END),
			HINT = 'An interval is written "3 months", a time "2027-01-31T00:00:00Z", a day "2027-01-31".';
	END;
	IF key_new.review_cadence <= interval '0' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'field "review_cadence" of a key record must be positive',
			HINT = 'For example "3 months"; leave it out when there is none.';
	END IF;
	starts_said := starts IS NOT NULL;
	IF starts = 'infinity' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'field "valid_from" of a key record cannot be read',
			DETAIL = 'An ownership that never begins is none.',
			HINT = 'Leave it out for now; a key''s first ownership is then from ever.';
	END IF;
	FOREACH field IN ARRAY ARRAY['price_book', 'charge_book']
	LOOP
		value := aiusage.record_text(r, field);
		IF value IS NOT NULL AND NOT EXISTS (SELECT FROM aiusage.price_book AS b WHERE b.book = value) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA404',
				MESSAGE = format('price book "%s" does not exist', left(value, 64)),
				HINT = 'Make it: INSERT INTO aiusage.price_book (book, kind, currency) VALUES (...).';
		END IF;
	END LOOP;
	IF key_new.replaced_by = key_new.api_key THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a key cannot be replaced by itself',
			HINT = 'aiusage.rotate_key() changes the credential behind a key; the key stays.';
	END IF;
	IF key_new.replaced_by IS NOT NULL AND
		NOT EXISTS (SELECT FROM aiusage.api_key AS k WHERE k.api_key = key_new.replaced_by)
	THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('key "%s" does not exist', left(key_new.replaced_by, 64)),
			DETAIL = 'The record says that it replaces this key.',
			HINT = 'Enter it first.';
	END IF;

	-- The row lock makes changes of one key follow each other.
	SELECT * INTO key_now FROM aiusage.api_key AS k WHERE k.api_key = key_new.api_key FOR NO KEY UPDATE;
	is_new := NOT FOUND;
	IF is_new THEN
		INSERT INTO aiusage.api_key AS k (api_key, class, status, allowed_providers, allowed_models, allowed_endpoints,
			escalation_contact, review_cadence, reviewed_on, rotation_due, rotation_owner, rotation_trigger, replaced_by,
			strict_prices, retention_class)
		VALUES (key_new.api_key, key_new.class, coalesce(key_new.status, 'active'), key_new.allowed_providers,
			key_new.allowed_models, key_new.allowed_endpoints, key_new.escalation_contact, key_new.review_cadence,
			key_new.reviewed_on, key_new.rotation_due, key_new.rotation_owner, key_new.rotation_trigger, key_new.replaced_by,
			key_new.strict_prices, key_new.retention_class)
		ON CONFLICT DO NOTHING;
		is_new := FOUND;
		IF NOT is_new THEN
			SELECT * INTO STRICT key_now FROM aiusage.api_key AS k WHERE k.api_key = key_new.api_key FOR NO KEY UPDATE;
		END IF;
	END IF;
	IF NOT is_new THEN
		-- What the record does not decide.
		key_new.status := coalesce(key_new.status, key_now.status);
		key_new.status_reason := CASE WHEN key_new.status = key_now.status THEN key_now.status_reason END;
		key_new.status_changed_at := CASE WHEN key_new.status = key_now.status THEN key_now.status_changed_at ELSE now() END;
		key_new.rotated_at := key_now.rotated_at;
		key_new.created_at := key_now.created_at;
		key_new.created_by := key_now.created_by;
		IF key_new IS DISTINCT FROM key_now THEN
			UPDATE aiusage.api_key AS k
			SET class = key_new.class, status = key_new.status, status_reason = key_new.status_reason,
				status_changed_at = key_new.status_changed_at,
				allowed_providers = key_new.allowed_providers, allowed_models = key_new.allowed_models,
				allowed_endpoints = key_new.allowed_endpoints, escalation_contact = key_new.escalation_contact,
				review_cadence = key_new.review_cadence, reviewed_on = key_new.reviewed_on,
				rotation_due = key_new.rotation_due, rotation_owner = key_new.rotation_owner,
				rotation_trigger = key_new.rotation_trigger, replaced_by = key_new.replaced_by,
				strict_prices = key_new.strict_prices, retention_class = key_new.retention_class
			WHERE k.api_key = key_new.api_key;
		END IF;
	END IF;

	-- Its price books: of a new key from ever, else from now, or when the record begins later.
	FOR field, value IN VALUES ('cost', 'price_book'), ('charge', 'charge_book')
	LOOP
		PERFORM aiusage.set_key_book(key_new.api_key, field, aiusage.record_text(r, value), CASE
			WHEN is_new THEN '-infinity'
			WHEN starts > clock_timestamp() THEN starts
			ELSE date_trunc('milliseconds', clock_timestamp()) END);
	END LOOP;

	-- Its ownership.
	ownership := ARRAY(SELECT aiusage.record_text(r, f.name)
		FROM unnest(ARRAY['team', 'cost_center', 'project', 'environment', 'workflow', 'customer', 'owner', 'owner_kind', 'product'])
			WITH ORDINALITY AS f (name, ord) ORDER BY f.ord);
	has_ownership := EXISTS (SELECT FROM unnest(ownership) AS o WHERE o IS NOT NULL);
	has_history := EXISTS (SELECT FROM aiusage.key_assignment AS a
		WHERE a.api_key = key_new.api_key AND (a.valid_to IS NULL OR a.valid_from < a.valid_to));
	IF NOT starts_said THEN
		-- Ids of ledger rows count milliseconds: an event of this very moment is after the change.
		starts := CASE WHEN has_history THEN date_trunc('milliseconds', clock_timestamp()) ELSE '-infinity' END;
	END IF;

	SELECT * INTO at_start FROM aiusage.key_assignment AS a
	WHERE a.api_key = key_new.api_key AND a.valid_from <= starts AND (a.valid_to IS NULL OR a.valid_to > starts);
	IF NOT FOUND AND NOT has_ownership THEN
		RETURN NULL;
	END IF;
	IF at_start.assignment IS NOT NULL AND ownership IS NOT DISTINCT FROM
		ARRAY[at_start.team, at_start.cost_center, at_start.project, at_start.environment, at_start.workflow,
			at_start.customer, at_start.owner, at_start.owner_kind, at_start.product]
	THEN
		RETURN at_start.assignment;
	END IF;

	IF NOT starts_said AND at_start.valid_from = starts THEN
		starts := starts + interval '1 millisecond';	-- changed in this very millisecond
	END IF;
	IF has_history AND starts < now() AND NOT coalesce(put_key.force, false) AND starts_said THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('the owner of key "%s" cannot be changed from a time in the past', key_new.api_key),
			DETAIL = CASE WHEN at_start.assignment IS NULL
				THEN 'Usage since then may be booked as unmatched already.'
				ELSE 'Usage since then may be booked under the assignment of that time already.' END,
			HINT = 'Leave out valid_from for a change from now on. To change the past, pass force => true, which moves no row that is booked, and move those with aiusage.reattribute().';
	END IF;

	ends := (SELECT min(a.valid_from) FROM aiusage.key_assignment AS a
		WHERE a.api_key = key_new.api_key AND a.valid_from > starts AND (a.valid_to IS NULL OR a.valid_from < a.valid_to));
	IF ends IS NOT NULL THEN
		RAISE NOTICE USING
			MESSAGE = format('the owner of key "%s" changes again at %s', key_new.api_key, ends),
			HINT = CASE WHEN ends > clock_timestamp() THEN 'aiusage.cancel_move() takes that back.'
				ELSE 'Put the record again with that valid_from to change the owner after it, too.' END;
	END IF;
	IF at_start.assignment IS NOT NULL THEN
		UPDATE aiusage.key_assignment AS a SET valid_to = starts WHERE a.assignment = at_start.assignment;
	END IF;
	IF NOT has_ownership THEN
		RETURN NULL;
	END IF;

	IF ownership[1] IS NOT NULL AND NOT EXISTS (SELECT FROM aiusage.team AS t WHERE t.team = ownership[1]) THEN
		PERFORM aiusage.put_team(ownership[1]);
		RAISE NOTICE 'team "%" is new', ownership[1];
	END IF;
	IF ownership[2] IS NOT NULL AND NOT EXISTS (SELECT FROM aiusage.cost_center AS c WHERE c.cost_center = ownership[2]) THEN
		PERFORM aiusage.put_cost_center(ownership[2]);
		RAISE NOTICE 'cost center "%" is new', ownership[2];
	END IF;
	IF ownership[6] IS NOT NULL AND NOT EXISTS (SELECT FROM aiusage.customer AS c WHERE c.customer = ownership[6]) THEN
		PERFORM aiusage.put_customer(ownership[6]);
		RAISE NOTICE 'customer "%" is new', ownership[6];
	END IF;
	INSERT INTO aiusage.key_assignment (api_key, valid_from, valid_to, team, cost_center, project, environment, workflow,
		customer, owner, owner_kind, product)
	VALUES (key_new.api_key, starts, ends, ownership[1], ownership[2], ownership[3], ownership[4], ownership[5],
		ownership[6], ownership[7], ownership[8], ownership[9])
	RETURNING assignment INTO STRICT result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION aiusage.put_key(jsonb, boolean) IS 'Enters or changes a key from its whole record; what the record leaves out is taken as not said, but for the status. Returns the number of the assignment in force from valid_from (default: from ever for a key''s first, else now), NULL for no owner. The same record again changes nothing. force allows a change of ownership in the past. Errors: UA422 for an unknown field, a wrong type or a secret, UA404 for an unknown book or replacing key, UA409 for a change in the past';

CREATE FUNCTION aiusage.cancel_move(key text, valid_from timestamptz) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ahead aiusage.key_assignment;
BEGIN
	PERFORM FROM aiusage.api_key AS k WHERE k.api_key = cancel_move.key FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('key "%s" does not exist', left(cancel_move.key, 64)),
			HINT = 'aiusage.api_key lists the keys that were entered; aiusage.put_key() enters one.';
	END IF;
	SELECT * INTO ahead FROM aiusage.key_assignment AS a
	WHERE a.api_key = cancel_move.key AND a.valid_from = cancel_move.valid_from
		AND (a.valid_to IS NULL OR a.valid_from < a.valid_to);
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF ahead.valid_from <= clock_timestamp() THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('the change of key "%s" is in force already', cancel_move.key),
			HINT = 'aiusage.put_key() changes the owner again.';
	END IF;
	UPDATE aiusage.key_assignment AS a SET valid_to = a.valid_from WHERE a.assignment = ahead.assignment;
	UPDATE aiusage.key_assignment AS a SET valid_to = ahead.valid_to
	WHERE a.api_key = cancel_move.key AND a.valid_to = ahead.valid_from AND a.valid_from < a.valid_to;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.cancel_move(text, timestamptz) IS 'Takes back a change of ownership that begins at a time ahead: the ownership before it goes on. False when there is none at that time. Errors: UA404 for an unknown key, UA409 when the change is in force already';

CREATE FUNCTION aiusage.key_record(key text) RETURNS jsonb
	LANGUAGE plpgsql STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	SET IntervalStyle = 'postgres'
	SET DateStyle = 'ISO'
AS $$
DECLARE
	k record;
	a record;
	quotas text[];
BEGIN
	PERFORM aiusage.require_books();
	SELECT * INTO k FROM aiusage.api_key AS t WHERE t.api_key = key_record.key;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('key "%s" does not exist', left(key_record.key, 64)),
			HINT = 'aiusage.put_key() enters one.';
	END IF;
	SELECT * INTO a FROM aiusage.key_assignment AS t
	WHERE t.api_key = k.api_key AND t.valid_from <= clock_timestamp() AND (t.valid_to IS NULL OR t.valid_to > clock_timestamp());

	-- Active limits whose scope asks for nothing that the key does not have.
	quotas := ARRAY(
		SELECT q.name FROM aiusage.quota AS q
		WHERE q.status = 'active' AND (q.api_key IS NULL OR q.api_key = k.api_key) AND (q.key_class IS NULL OR q.key_class = k.class)
			AND (q.team IS NULL OR q.team = a.team) AND (q.cost_center IS NULL OR q.cost_center = a.cost_center)
			AND (q.project IS NULL OR q.project = a.project) AND (q.environment IS NULL OR q.environment = a.environment)
			AND (q.workflow IS NULL OR q.workflow = a.workflow) AND (q.customer IS NULL OR q.customer = a.customer)
			AND (q.plan_tier IS NULL OR q.plan_tier = (SELECT c.plan_tier FROM aiusage.customer AS c WHERE c.customer = a.customer))
			AND num_nonnulls(q.user_id, q.job_id, q.tag_value, q.provider, q.model, q.endpoint) = 0
		ORDER BY q.name);

	RETURN jsonb_build_object(
		'key', k.api_key, 'class', k.class, 'status', k.status, 'status_reason', k.status_reason,
		'team', a.team, 'cost_center', a.cost_center, 'project', a.project, 'environment', a.environment,
		'workflow', a.workflow, 'customer', a.customer, 'owner', a.owner, 'owner_kind', a.owner_kind, 'product', a.product,
		'allowed_providers', k.allowed_providers, 'allowed_models', k.allowed_models, 'allowed_endpoints', k.allowed_endpoints,
		'escalation_contact', k.escalation_contact, 'review_cadence', k.review_cadence, 'reviewed_on', k.reviewed_on,
		'rotation', jsonb_build_object('due', k.rotation_due, 'owner', k.rotation_owner, 'trigger', k.rotation_trigger,
			'replaced_by', k.replaced_by),
		'rotated_at', k.rotated_at,
		'price_book', aiusage.assigned_book('key', k.api_key, 'cost', clock_timestamp()),
		'charge_book', aiusage.assigned_book('key', k.api_key, 'charge', clock_timestamp()),
		'strict_prices', k.strict_prices, 'retention_class', k.retention_class,
		'created_at', k.created_at, 'created_by', k.created_by,
		'assignment', CASE WHEN a.assignment IS NOT NULL THEN
			jsonb_build_object('id', a.assignment, 'valid_from', a.valid_from, 'valid_to', a.valid_to) END,
		'later_assignments', coalesce((
			SELECT jsonb_agg(jsonb_build_object('id', l.assignment, 'valid_from', l.valid_from, 'valid_to', l.valid_to,
				'team', l.team, 'cost_center', l.cost_center, 'owner', l.owner) ORDER BY l.valid_from)
			FROM aiusage.key_assignment AS l
			WHERE l.api_key = k.api_key AND l.valid_from > clock_timestamp() AND (l.valid_to IS NULL OR l.valid_from < l.valid_to)), '[]'),
		'credentials', coalesce((
			SELECT jsonb_agg(jsonb_build_object('label', c.credential_label, 'valid_from', c.valid_from, 'valid_to', c.valid_to)
				ORDER BY c.valid_from, c.credential_label)
			FROM aiusage.key_credential AS c
			WHERE c.api_key = k.api_key), '[]'),
		'quotas', to_jsonb(quotas),
		'missing', (
			SELECT coalesce(jsonb_agg(m.what ORDER BY m.ord), '[]')
			FROM (VALUES
				(1, 'owner', a.owner IS NULL),
				(2, 'team', a.team IS NULL),
				(3, 'cost_center', a.cost_center IS NULL),
				(4, 'environment', a.environment IS NULL),
				(5, 'class', k.class IS NULL),
				(6, 'allowed_routes', k.allowed_providers IS NULL AND k.allowed_models IS NULL AND k.allowed_endpoints IS NULL),
				(7, 'quota', cardinality(quotas) = 0),
				(8, 'escalation_contact', k.escalation_contact IS NULL),
				(9, 'review_cadence', k.review_cadence IS NULL),
				(10, 'rotation', k.rotation_due IS NULL OR k.rotation_owner IS NULL)
			) AS m (ord, what, is_missing)
			WHERE m.is_missing));
END
$$;
COMMENT ON FUNCTION aiusage.key_record(text) IS 'The whole record of a key as it is now: fields of put_key(), assignment in force and those ahead, credentials, and under "missing" what a record should say and this one does not. It can be edited and put back. Errors: UA404 for an unknown key';

-- Credentials and status -------------------------------------------------

CREATE FUNCTION aiusage.rotate_key(key text, credential_label text, overlap interval DEFAULT '24 hours') RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known aiusage.key_credential;
	at timestamptz;
	ends timestamptz;
BEGIN
	IF rotate_key.key IS NULL OR rotate_key.credential_label IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a rotation needs a key and the label of its new credential',
			HINT = 'The label is a name of the credential, never the credential: aiusage.rotate_key(''checkout-api'', ''2027-q1'').';
	END IF;
	IF rotate_key.overlap IS NULL OR rotate_key.overlap < interval '0' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the overlap of a rotation must not be negative',
			HINT = 'It says how long the old credential stays valid; zero ends it now.';
	END IF;
	PERFORM FROM aiusage.api_key AS k WHERE k.api_key = rotate_key.key FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('key "%s" does not exist', left(rotate_key.key, 64)),
			HINT = 'aiusage.put_key() enters one.';
	END IF;

	SELECT * INTO known FROM aiusage.key_credential AS c
	WHERE c.api_key = rotate_key.key AND c.credential_label = rotate_key.credential_label;
	IF FOUND AND known.valid_to IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('credential "%s" of key "%s" was rotated out already', rotate_key.credential_label, rotate_key.key),
			HINT = 'Give the new credential a label of its own.';
	END IF;
	IF NOT FOUND THEN
		at := clock_timestamp();
		ends := at + rotate_key.overlap;
		UPDATE aiusage.key_credential AS c SET valid_to = greatest(ends, c.valid_from)
		WHERE c.api_key = rotate_key.key AND (c.valid_to IS NULL OR c.valid_to > ends);
		INSERT INTO aiusage.key_credential (api_key, credential_label, valid_from)
		VALUES (rotate_key.key, rotate_key.credential_label, at);
		UPDATE aiusage.api_key AS k SET rotated_at = at WHERE k.api_key = rotate_key.key;
	END IF;
	RETURN (SELECT max(c.valid_to) FROM aiusage.key_credential AS c
			WHERE c.api_key = rotate_key.key AND c.valid_to > clock_timestamp());
END
$$;
COMMENT ON FUNCTION aiusage.rotate_key(text, text, interval) IS 'Puts a new credential, by its non-secret label, behind a key; earlier ones stay valid for the overlap. The key, its counters and its owner stay. Returns until when an old credential is valid, NULL for none; the current credential again changes nothing. Errors: UA404 for an unknown key, UA409 for a credential that was rotated out, UA422 for a negative overlap or a secret';

CREATE FUNCTION aiusage.set_key_status(key text, status text, reason text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	old_status text;
BEGIN
	PERFORM aiusage.require_books();
	SELECT k.status INTO old_status FROM aiusage.api_key AS k WHERE k.api_key = set_key_status.key FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('key "%s" does not exist', left(set_key_status.key, 64)),
			HINT = 'aiusage.api_key lists the keys that were entered; aiusage.put_key() enters one.';
	END IF;
	IF old_status = set_key_status.status THEN
		RETURN false;
	END IF;
	UPDATE aiusage.api_key AS k
	SET status = set_key_status.status, status_reason = set_key_status.reason, status_changed_at = clock_timestamp()
	WHERE k.api_key = set_key_status.key;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.set_key_status(text, text, text) IS 'What disable_key() and enable_key() do; the status is active or disabled';

CREATE FUNCTION aiusage.disable_key(key text, reason text DEFAULT NULL) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	RETURN aiusage.set_key_status(key, 'disabled', reason);
COMMENT ON FUNCTION aiusage.disable_key(text, text) IS 'Disables a key: from the commit on, usage of it that is not spent yet is refused (UA403). False when it was disabled already. Errors: UA404 for an unknown key';

CREATE FUNCTION aiusage.enable_key(key text, reason text DEFAULT NULL) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	RETURN aiusage.set_key_status(key, 'active', reason);
COMMENT ON FUNCTION aiusage.enable_key(text, text) IS 'Enables a disabled key again. False when it was active already. Errors: UA404 for an unknown key';

CREATE FUNCTION aiusage.explain_owner(api_key text, at timestamptz DEFAULT now(), provider text DEFAULT NULL, model text DEFAULT NULL,
	endpoint text DEFAULT NULL, customer text DEFAULT NULL,
	OUT status text, OUT assignment bigint, OUT calendar int, OUT period int, OUT billed_in int,
	OUT route_allowed boolean, OUT refused_part text, OUT price_book text, OUT charge_book text)
	LANGUAGE c STABLE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_sql_explain_owner';
COMMENT ON FUNCTION aiusage.explain_owner(text, timestamptz, text, text, text, text) IS 'What booking would find for usage of a key at a time (and for a customer, when the request names one): status of the key (unknown, active, disabled), assignment (NULL: unmatched), calendar, the period of that time and the one it is billed in, whether the route is allowed or which part of it is not, and the price books (NULL: the default, none). A provider or model not given is not judged; an endpoint not given is refused when the key lists endpoints';
