/* The aiusage format of prices: checked, loaded, published. */

/* Members of an object by a spec: name -> JSON type, "!" behind a required one. */
CREATE FUNCTION aiusage.check_members(what text, object jsonb, spec jsonb, provider text, model text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bad record;
BEGIN
	IF jsonb_typeof(object) IS DISTINCT FROM 'object' THEN
		PERFORM aiusage.refuse_catalogue(format('%s is an object', what), provider, model);
	END IF;
	SELECT key, CASE
			WHEN s.value IS NULL THEN format('unknown member of %s', what)
			WHEN coalesce(jsonb_typeof(e.value), 'null') = 'null' THEN format('%s lacks a member', what)
			ELSE format('a member of %s is of type %s, not %s', what, jsonb_typeof(e.value), rtrim(s.value, '!'))
		END AS problem
	INTO bad
	FROM jsonb_each(object) AS e FULL JOIN jsonb_each_text(spec) AS s USING (key)
	WHERE s.value IS NULL
		OR (coalesce(jsonb_typeof(e.value), 'null') = 'null' AND s.value LIKE '%!')
		OR (e.value IS NOT NULL AND jsonb_typeof(e.value) NOT IN ('null', rtrim(s.value, '!')))
	ORDER BY key
	LIMIT 1;
	IF bad.problem IS NOT NULL THEN
		PERFORM aiusage.refuse_catalogue(bad.problem, provider, model, bad.key);
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.check_members(text, jsonb, jsonb, text, text) IS 'Refuses an object of a price catalogue with unknown, missing or mistyped members (UA422)';

CREATE FUNCTION aiusage.check_match(match jsonb, provider text, model text, key text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	problem text := aiusage.price_match_problem(nullif(match, 'null'));
BEGIN
	IF problem IS NOT NULL THEN
		PERFORM aiusage.refuse_catalogue(problem, provider, model, key);
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.check_match(jsonb, text, text, text) IS 'Refuses a match expression of a price catalogue that is not one (UA422)';

CREATE FUNCTION aiusage.check_price_rules(rules jsonb, provider text, model text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule jsonb;
	price jsonb;
BEGIN
	FOR rule IN SELECT r.value FROM jsonb_array_elements(rules) AS r LOOP
		PERFORM aiusage.check_members('a rule', rule, '{"rule": "number", "service_tier": "string", "endpoint": "string",
			"region": "string", "starts_at": "string", "ends_at": "string", "weekdays": "array", "time_from": "string",
			"time_to": "string", "time_zone": "string", "multiplier": "number", "note": "string", "prices": "array!"}', provider, model);
		FOR price IN SELECT p.value FROM jsonb_array_elements(rule -> 'prices') AS p LOOP
			PERFORM aiusage.check_members('a price', price, '{"unit": "string!", "rate": "number!", "per": "number",
				"tier_start": "number", "tier_metric": "string", "tier_inclusive": "boolean", "min_quantity": "number",
				"quantity_step": "number"}', provider, model);
			IF (price ->> 'rate')::numeric NOT BETWEEN 0 AND 1000000000000
				OR scale(trim_scale((price ->> 'rate')::numeric)) > (CASE WHEN (price ->> 'rate')::numeric < 1000000 THEN 24 ELSE 18 END) THEN
				PERFORM aiusage.refuse_catalogue('a rate is negative, above 1e12, or has more than 24 decimals', provider, model, price ->> 'unit');
			END IF;
			IF (price ->> 'unit') !~ '^[a-z][a-z0-9_]{0,62}$' THEN
				PERFORM aiusage.refuse_catalogue('a unit is a name of lower-case letters, digits and underscores', provider, model, price ->> 'unit');
			END IF;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION aiusage.check_price_rules(jsonb, text, text) IS 'Refuses malformed rules and prices of a model in the aiusage format (UA422)';

/*
 * Would the check below find nothing?  The same in a few passes over all rules
 * and prices; only when it says no does the check look for what to name.
 */
CREATE FUNCTION aiusage.price_providers_fit(providers jsonb) RETURNS boolean
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
BEGIN
	RETURN jsonb_typeof(providers) = 'array' AND (
		WITH provider AS MATERIALIZED (
			SELECT p.value AS p, p.value ->> 'provider' AS name FROM jsonb_array_elements(providers) AS p
		), model AS MATERIALIZED (
			SELECT p.name AS provider, m.value AS m
			FROM provider AS p, jsonb_array_elements(CASE jsonb_typeof(p.p -> 'models') WHEN 'array' THEN p.p -> 'models' END) AS m
		), rule AS MATERIALIZED (
			SELECT r.value AS r FROM model AS m, jsonb_array_elements(CASE jsonb_typeof(m.m -> 'rules') WHEN 'array' THEN m.m -> 'rules' END) AS r
		), price AS MATERIALIZED (
			SELECT c.value AS c, CASE jsonb_typeof(c.value -> 'rate') WHEN 'number' THEN trim_scale((c.value ->> 'rate')::numeric) END AS rate
			FROM rule AS r, jsonb_array_elements(CASE jsonb_typeof(r.r -> 'prices') WHEN 'array' THEN r.r -> 'prices' END) AS c
		)
		SELECT EXISTS (SELECT FROM model)
			AND NOT EXISTS (SELECT FROM provider AS p WHERE (jsonb_typeof(p.p) = 'object'
				AND p.p - '{provider,name,match,model_match,fallbacks,models}'::text[] = '{}'
				AND jsonb_typeof(p.p -> 'provider') = 'string' AND jsonb_typeof(p.p -> 'models') = 'array'
				AND coalesce(jsonb_typeof(p.p -> 'name'), 'null') IN ('null', 'string')
				AND coalesce(jsonb_typeof(p.p -> 'match'), 'null') IN ('null', 'object')
				AND coalesce(jsonb_typeof(p.p -> 'model_match'), 'null') IN ('null', 'object')
				AND coalesce(jsonb_typeof(p.p -> 'fallbacks'), 'null') IN ('null', 'array')
				AND NOT EXISTS (SELECT FROM jsonb_array_elements(CASE jsonb_typeof(p.p -> 'fallbacks') WHEN 'array' THEN p.p -> 'fallbacks' END) AS f
					WHERE jsonb_typeof(f.value) <> 'string')
				AND aiusage.price_match_problem(nullif(p.p -> 'match', 'null')) IS NULL
				AND aiusage.price_match_problem(nullif(p.p -> 'model_match', 'null')) IS NULL) IS NOT TRUE)
			AND (SELECT count(*) = count(DISTINCT p.name) FROM provider AS p)
			AND NOT EXISTS (SELECT FROM model AS m WHERE (jsonb_typeof(m.m) = 'object'
				AND m.m - '{model,match,rules}'::text[] = '{}'
				AND jsonb_typeof(m.m -> 'model') = 'string' AND jsonb_typeof(m.m -> 'rules') = 'array'
				AND coalesce(jsonb_typeof(m.m -> 'match'), 'null') IN ('null', 'object')
				AND aiusage.price_match_problem(nullif(m.m -> 'match', 'null')) IS NULL) IS NOT TRUE)
			AND (SELECT count(*) = count(DISTINCT (m.provider, m.m ->> 'model')) FROM model AS m)
			AND NOT EXISTS (SELECT FROM rule AS r WHERE (jsonb_typeof(r.r) = 'object'
				AND r.r - '{rule,service_tier,endpoint,region,starts_at,ends_at,weekdays,time_from,time_to,time_zone,multiplier,note,prices}'::text[] = '{}'
				AND jsonb_typeof(r.r -> 'prices') = 'array'
				AND coalesce(jsonb_typeof(r.r -> 'rule'), 'null') IN ('null', 'number')
				AND coalesce(jsonb_typeof(r.r -> 'multiplier'), 'null') IN ('null', 'number')
				AND coalesce(jsonb_typeof(r.r -> 'weekdays'), 'null') IN ('null', 'array')
				AND NOT EXISTS (SELECT FROM unnest('{service_tier,endpoint,region,starts_at,ends_at,time_from,time_to,time_zone,note}'::text[]) AS k
					WHERE coalesce(jsonb_typeof(r.r -> k), 'null') NOT IN ('null', 'string'))) IS NOT TRUE)
			AND NOT EXISTS (SELECT FROM price AS c WHERE (jsonb_typeof(c.c) = 'object'
				AND c.c - '{unit,rate,per,tier_start,tier_metric,tier_inclusive,min_quantity,quantity_step}'::text[] = '{}'
				AND jsonb_typeof(c.c -> 'unit') = 'string' AND (c.c ->> 'unit') ~ '^[a-z][a-z0-9_]{0,62}$'
				AND c.rate BETWEEN 0 AND 1000000000000 AND scale(c.rate) <= (CASE WHEN c.rate < 1000000 THEN 24 ELSE 18 END)
				AND coalesce(jsonb_typeof(c.c -> 'per'), 'null') IN ('null', 'number')
				AND coalesce(jsonb_typeof(c.c -> 'tier_start'), 'null') IN ('null', 'number')
				AND coalesce(jsonb_typeof(c.c -> 'tier_metric'), 'null') IN ('null', 'string')
				AND coalesce(jsonb_typeof(c.c -> 'tier_inclusive'), 'null') IN ('null', 'boolean')
				AND coalesce(jsonb_typeof(c.c -> 'min_quantity'), 'null') IN ('null', 'number')
				AND coalesce(jsonb_typeof(c.c -> 'quantity_step'), 'null') IN ('null', 'number')) IS NOT TRUE));
END
$$;
COMMENT ON FUNCTION aiusage.price_providers_fit(jsonb) IS 'Is a list of providers in the aiusage format such that check_price_providers() finds nothing? false: it may be; that function tells what it is';

CREATE FUNCTION aiusage.check_price_providers(providers jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry jsonb;
	model jsonb;
	provider text;
	names text[] := '{}';
	models text[];
	any_model boolean := false;
BEGIN
	IF jsonb_typeof(providers) IS DISTINCT FROM 'array' THEN
		PERFORM aiusage.refuse_catalogue('expected an array of providers');
	END IF;
	FOR entry IN SELECT p.value FROM jsonb_array_elements(providers) AS p LOOP
		PERFORM aiusage.check_members('a provider', entry, '{"provider": "string!", "name": "string", "match": "object",
			"model_match": "object", "fallbacks": "array", "models": "array!"}', entry ->> 'provider', NULL);
		provider := entry ->> 'provider';
		IF provider = ANY (names) THEN
			PERFORM aiusage.refuse_catalogue('a provider occurs twice', provider);
		END IF;
		names := names || provider;
		PERFORM aiusage.check_match(entry -> 'match', provider, NULL, 'match');
		PERFORM aiusage.check_match(entry -> 'model_match', provider, NULL, 'model_match');
		IF EXISTS (SELECT FROM jsonb_array_elements(nullif(entry -> 'fallbacks', 'null')) AS f WHERE jsonb_typeof(f.value) <> 'string') THEN
			PERFORM aiusage.refuse_catalogue('fallbacks are an array of provider ids', provider, NULL, 'fallbacks');
		END IF;

		models := '{}';
		FOR model IN SELECT m.value FROM jsonb_array_elements(entry -> 'models') AS m LOOP
			PERFORM aiusage.check_members('a model', model, '{"model": "string!", "match": "object", "rules": "array!"}',
				provider, model ->> 'model');
			IF (model ->> 'model') = ANY (models) THEN
				PERFORM aiusage.refuse_catalogue('a model occurs twice', provider, model ->> 'model');
			END IF;
			models := models || (model ->> 'model');
			any_model := true;
			PERFORM aiusage.check_match(model -> 'match', provider, model ->> 'model', 'match');
			PERFORM aiusage.check_price_rules(model -> 'rules', provider, model ->> 'model');
		END LOOP;
	END LOOP;
	IF NOT any_model THEN
		PERFORM aiusage.refuse_catalogue('it has no models');
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.check_price_providers(jsonb) IS 'Refuses a malformed list of providers in the aiusage format, naming what is wrong (UA422)';

CREATE FUNCTION aiusage.load_prices(version int, providers jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET TimeZone = 'UTC'
	SET DateStyle = 'ISO'
AS $$
DECLARE
	detail text;
BEGIN
	IF NOT aiusage.price_providers_fit(providers) THEN
		PERFORM aiusage.check_price_providers(providers);
	END IF;

	INSERT INTO aiusage.price_provider (version, provider, ordinal, name, match, model_match, fallbacks)
	SELECT load_prices.version, p.value ->> 'provider', p.n, p.value ->> 'name', nullif(p.value -> 'match', 'null'),
		nullif(p.value -> 'model_match', 'null'),
		ARRAY(SELECT f.value FROM jsonb_array_elements_text(nullif(p.value -> 'fallbacks', 'null')) WITH ORDINALITY AS f (value, n) ORDER BY f.n)
	FROM jsonb_array_elements(providers) WITH ORDINALITY AS p (value, n);

	INSERT INTO aiusage.price_model (version, provider, model, ordinal, match)
	SELECT load_prices.version, p.value ->> 'provider', m.value ->> 'model', m.n, nullif(m.value -> 'match', 'null')
	FROM jsonb_array_elements(providers) AS p,
		jsonb_array_elements(p.value -> 'models') WITH ORDINALITY AS m (value, n);

	INSERT INTO aiusage.price_rule (version, provider, model, rule, service_tier, endpoint, region, starts_at, ends_at,
		weekdays, time_from, time_to, time_zone, multiplier, note)
	SELECT load_prices.version, p.value ->> 'provider', m.value ->> 'model', coalesce((r.value ->> 'rule')::int, r.n::int - 1),
		r.value ->> 'service_tier', r.value ->> 'endpoint', r.value ->> 'region',
		(r.value ->> 'starts_at')::timestamptz, (r.value ->> 'ends_at')::timestamptz,
		(SELECT array_agg(d.value::int ORDER BY d.n)
		 FROM jsonb_array_elements_text(nullif(r.value -> 'weekdays', 'null')) WITH ORDINALITY AS d (value, n)),
		(r.value ->> 'time_from')::time, (r.value ->> 'time_to')::time, coalesce(r.value ->> 'time_zone', 'UTC'),
		coalesce((r.value ->> 'multiplier')::numeric, 1), r.value ->> 'note'
	FROM jsonb_array_elements(providers) AS p,
		jsonb_array_elements(p.value -> 'models') AS m,
		jsonb_array_elements(m.value -> 'rules') WITH ORDINALITY AS r (value, n);

	INSERT INTO aiusage.price (version, provider, model, rule, unit, rate, per, tier_start, tier_metric, tier_inclusive,
		min_quantity, quantity_step)
	SELECT load_prices.version, p.value ->> 'provider', m.value ->> 'model', coalesce((r.value ->> 'rule')::int, r.n::int - 1),
		c.value ->> 'unit', (c.value ->> 'rate')::numeric, coalesce((c.value ->> 'per')::numeric, 1),
		(c.value ->> 'tier_start')::numeric, c.value ->> 'tier_metric', (c.value ->> 'tier_inclusive')::boolean,
		(c.value ->> 'min_quantity')::numeric, (c.value ->> 'quantity_step')::numeric
	FROM jsonb_array_elements(providers) AS p,
		jsonb_array_elements(p.value -> 'models') AS m,
		jsonb_array_elements(m.value -> 'rules') WITH ORDINALITY AS r (value, n),
		jsonb_array_elements(r.value -> 'prices') AS c;
EXCEPTION
	-- What only the tables can tell: names the row in its detail.
	WHEN check_violation OR unique_violation OR not_null_violation OR data_exception THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('invalid price catalogue: %s', SQLERRM),
			DETAIL = coalesce(nullif(detail, ''), 'A value of the catalogue has the wrong form.'),
			HINT = 'Nothing was imported.';
END
$$;
COMMENT ON FUNCTION aiusage.load_prices(int, jsonb) IS 'Fills a draft with providers in the aiusage format. Errors: UA422 a malformed catalogue, UA403 the version is not a draft';

CREATE FUNCTION aiusage.load_overrides(version int, overrides jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item jsonb;
	detail text;
BEGIN
	IF jsonb_typeof(overrides) IS DISTINCT FROM 'array' THEN
		PERFORM aiusage.refuse_catalogue('expected an array of overrides', NULL, NULL, 'overrides');
	END IF;
	FOR item IN SELECT o.value FROM jsonb_array_elements(overrides) AS o LOOP
		PERFORM aiusage.check_members('an override', item, '{"override": "number", "provider": "string", "model": "string", "unit": "string",
			"service_tier": "string", "kind": "string!", "value": "number!", "per": "number", "note": "string"}', item ->> 'provider', item ->> 'model');
	END LOOP;
	INSERT INTO aiusage.price_override (version, override, provider, model, unit, service_tier, kind, value, per, note)
	SELECT load_overrides.version, coalesce((o.value ->> 'override')::int, o.n::int - 1), o.value ->> 'provider', o.value ->> 'model',
		o.value ->> 'unit', o.value ->> 'service_tier', o.value ->> 'kind', (o.value ->> 'value')::numeric,
		coalesce((o.value ->> 'per')::numeric, 1), o.value ->> 'note'
	FROM jsonb_array_elements(overrides) WITH ORDINALITY AS o (value, n);
EXCEPTION
	WHEN check_violation OR unique_violation OR not_null_violation OR data_exception THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('invalid price catalogue: %s', SQLERRM),
			DETAIL = coalesce(nullif(detail, ''), 'A value of the catalogue has the wrong form.'),
			HINT = 'Nothing was imported.';
END
$$;
COMMENT ON FUNCTION aiusage.load_overrides(int, jsonb) IS 'Fills a draft with overrides of inherited prices, in the aiusage format. Errors: UA422 a malformed catalogue, UA403 the version is not a draft';

CREATE FUNCTION aiusage.import_prices(book text, format text, catalog jsonb, effective_from timestamptz DEFAULT now(), label text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET DateStyle = 'ISO'
AS $$
DECLARE
	header jsonb := CASE jsonb_typeof(catalog) WHEN 'object' THEN catalog - ARRAY['providers', 'overrides'] ELSE '{}' END;
	book_currency text;
	newest record;
	converted record;
	providers jsonb;
	overrides jsonb := '[]';
	issues jsonb[] := '{}';
	dated date;
	made int;
BEGIN
	PERFORM aiusage.require_books();
	IF book IS NULL OR format IS NULL OR catalog IS NULL OR effective_from IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'an import of prices needs a book, a format, a catalogue and the time it is effective from',
			HINT = 'For example aiusage.import_prices(''list'', ''genai-prices'', aiusage.default_catalogue(), ''2020-01-01'').';
	END IF;
	-- The shipped catalogue says itself which format it is in.
	IF format = 'aiusage' AND header ->> 'format' = 'genai-prices' THEN
		format := 'genai-prices';
	END IF;

	-- One import or publication of a book at a time.
	SELECT b.currency INTO book_currency FROM aiusage.price_book AS b WHERE b.book = import_prices.book FOR NO KEY UPDATE;
	IF book_currency IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price book "%s" does not exist', book),
			HINT = 'Make it: INSERT INTO aiusage.price_book (book, kind, currency) VALUES (...).';
	END IF;

	IF format = 'genai-prices' THEN
		converted := aiusage.convert_genai_prices(catalog);
		providers := converted.providers;
		issues := converted.issues;
	ELSIF format = 'litellm' THEN
		converted := aiusage.convert_litellm(catalog);
		providers := converted.providers;
		issues := converted.issues;
		header := '{}';			-- the catalogue has none: its members are models
	ELSIF format = 'aiusage' THEN
		PERFORM aiusage.check_members('the catalogue', catalog, '{"format": "string", "format_version": "number", "currency": "string",
			"source": "string", "version": "string", "date": "string", "providers": "array!", "overrides": "array"}', NULL, NULL);
		IF coalesce(header ->> 'format', 'aiusage') <> 'aiusage' OR coalesce((header ->> 'format_version')::numeric, 1) <> 1 THEN
			PERFORM aiusage.refuse_catalogue('it is of another format, or of a later version of it', NULL, NULL, 'format');
		END IF;
		providers := catalog -> 'providers';
		overrides := coalesce(nullif(nullif(catalog -> 'overrides', 'null'), '[]'), overrides);
	ELSE
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('unknown format of prices "%s"', format),
			HINT = 'Formats are genai-prices, litellm and aiusage.';
	END IF;
	IF book_currency <> coalesce(header ->> 'currency', CASE WHEN format IN ('genai-prices', 'litellm') THEN 'USD' ELSE book_currency END) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('the catalogue''s prices are in %s, book "%s" is in %s', coalesce(header ->> 'currency', 'USD'), book, book_currency),
			HINT = 'Import them into a book of that currency.';
	END IF;
	BEGIN
		dated := (header ->> 'date')::date;
		IF (header ->> 'date') !~ '^\d{4}-\d{2}-\d{2}$' THEN
			RAISE invalid_datetime_format;
		END IF;
	EXCEPTION WHEN data_exception THEN
		PERFORM aiusage.refuse_catalogue('the date of the source is no date of the form YYYY-MM-DD', NULL, NULL, 'date');
	END;

	SELECT v.version, v.checksum, v.effective_from, v.effective_to INTO newest
	FROM aiusage.price_version AS v
	WHERE v.book = import_prices.book AND v.status = 'published'
	ORDER BY v.publication DESC LIMIT 1;

	BEGIN
		made := aiusage.draft_prices(book, effective_from, label);
		UPDATE aiusage.price_version AS v
		SET source = coalesce(header ->> 'source', import_prices.format), source_version = header ->> 'version', source_date = dated
		WHERE v.version = made;
		IF overrides <> '[]' THEN
			PERFORM aiusage.load_overrides(made, overrides);
		END IF;
		IF overrides = '[]' OR providers <> '[]' THEN
			PERFORM aiusage.load_prices(made, providers);
		END IF;
		IF newest.version IS NOT NULL
			AND import_prices.effective_from >= newest.effective_from
			AND import_prices.effective_from < coalesce(newest.effective_to, 'infinity')
			AND aiusage.prices_checksum(made) = newest.checksum THEN
			RAISE EXCEPTION USING ERRCODE = 'UA200', MESSAGE = 'the newest version holds this already';
		END IF;
	EXCEPTION WHEN SQLSTATE 'UA200' THEN
		RETURN newest.version;	-- and what was loaded to compare is undone
	END;

	INSERT INTO aiusage.price_import_issue (version, issue, provider, model, key, problem)
	SELECT made, i.n, i.value ->> 'provider', i.value ->> 'model', i.value ->> 'key', i.value ->> 'problem'
	FROM unnest(issues) WITH ORDINALITY AS i (value, n);
	PERFORM aiusage.publish_prices(made);
	IF cardinality(issues) > 0 THEN
		RAISE WARNING USING
			MESSAGE = format('%s things of the catalogue are not in price version %s', cardinality(issues), made),
			HINT = format('SELECT * FROM aiusage.price_import_issue WHERE version = %s;', made);
	END IF;
	RETURN made;
END
$$;
COMMENT ON FUNCTION aiusage.import_prices(text, text, jsonb, timestamptz, text) IS 'Makes and publishes a version of a book from a catalogue (format genai-prices, litellm or aiusage) and returns it; the same catalogue again makes none and returns the newest version. What cannot be represented is in aiusage.price_import_issue. Errors: UA404 unknown book; UA422 unknown format, other currency, or a malformed catalogue, of which nothing is imported';
