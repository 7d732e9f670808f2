/*
 * Import of price catalogues.
 *
 * Every format is converted to the aiusage format, which is checked and
 * loaded: a draft is made, filled and published in one transaction, so that
 * nothing is half imported.
 *
 * A catalogue in the aiusage format is an object (null members may be left out)
 *	   {"format": "aiusage", "format_version": 1, "currency": "USD", "source", "version", "date",
 *		"providers": [{"provider", "name", "match", "model_match", "fallbacks": [...],
 *		  "models": [{"model", "match",
 *			"rules": [{"rule", "service_tier", "endpoint", "region", "starts_at", "ends_at", "weekdays",
 *					   "time_from", "time_to", "time_zone", "multiplier", "note",
 *			  "prices": [{"unit", "rate", "per", "tier_start", "tier_metric", "tier_inclusive",
 *						  "min_quantity", "quantity_step"}]}]}]}]}
 */

CREATE FUNCTION aiusage.refuse_catalogue(problem text, provider text DEFAULT NULL, model text DEFAULT NULL, key text DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'UA422',
		MESSAGE = format('invalid price catalogue: %s', problem),
		DETAIL = coalesce(nullif(concat_ws(', ', 'Provider "' || provider || '"', 'model "' || model || '"', 'key "' || key || '"') || '.', '.'),
			'The catalogue as a whole.'),
		HINT = 'Nothing was imported.';
END
$$;
COMMENT ON FUNCTION aiusage.refuse_catalogue(text, text, text, text) IS 'Raises UA422 for a price catalogue, naming provider, model and key';

CREATE FUNCTION aiusage.price_issue(problem text, provider text DEFAULT NULL, model text DEFAULT NULL, key text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN pg_catalog.jsonb_build_object('provider', provider, 'model', model, 'key', key, 'problem', problem);
COMMENT ON FUNCTION aiusage.price_issue(text, text, text, text) IS 'One row of aiusage.price_import_issue, as the converters hand it on';

/* The members of an object that are not in a list. */
CREATE FUNCTION aiusage.unknown_keys(object jsonb, known text[]) RETURNS SETOF text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY SELECT k FROM jsonb_object_keys(object) AS k WHERE k <> ALL (known) ORDER BY k;
END
$$;
COMMENT ON FUNCTION aiusage.unknown_keys(jsonb, text[]) IS 'The keys of an object that are not among the known ones';

/* Time of day with an offset, as the genai-prices catalogue writes it, as UTC; NULL: malformed. */
CREATE FUNCTION aiusage.utc_time_of_day(value text) RETURNS time
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part text[] := regexp_match(value, '^([01]\d|2[0-3]):([0-5]\d):([0-5]\d(?:\.\d{1,6})?)(?:Z|([+-])(\d\d):(\d\d))$');
	offset_minutes int;
BEGIN
	IF part IS NULL OR part[5] > '23' OR part[6] > '59' THEN
		RETURN NULL;
	END IF;
	offset_minutes := CASE part[4] WHEN '-' THEN -1 ELSE 1 END * (coalesce(part[5], '0')::int * 60 + coalesce(part[6], '0')::int);
	RETURN make_time(part[1]::int, part[2]::int, part[3]::double precision) - make_interval(mins => offset_minutes);
END
$$;
COMMENT ON FUNCTION aiusage.utc_time_of_day(text) IS 'A time of day such as 09:30:00+08:00 in UTC; NULL when malformed';

/* One price of the genai-prices catalogue: a number, or a base with tiers by total input tokens. */
CREATE FUNCTION aiusage.convert_genai_price(provider text, model text, key text, value jsonb, minimum jsonb)
	RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unit text := aiusage.price_key_unit(key);
	per bigint := aiusage.price_key_per(key);
	base jsonb := value;
	rows jsonb;
	tier jsonb;
BEGIN
	IF jsonb_typeof(value) = 'object' THEN
		IF jsonb_typeof(value -> 'tiers') IS DISTINCT FROM 'array' THEN
			PERFORM aiusage.refuse_catalogue('a price is a number, or an object with base and tiers', provider, model, key);
		END IF;
		base := value -> 'base';
	END IF;
	IF jsonb_typeof(base) IS DISTINCT FROM 'number' OR base::numeric < 0 THEN
		PERFORM aiusage.refuse_catalogue('a price is a number that is not negative', provider, model, key);
	END IF;
	rows := jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('unit', unit, 'rate', base, 'per', per,
		'min_quantity', minimum -> unit)));
	IF jsonb_typeof(value) = 'object' THEN
		-- Of tiers with the same start the last one counts.
		FOR tier IN
			SELECT DISTINCT ON (t.value -> 'start') t.value
			FROM jsonb_array_elements(value -> 'tiers') WITH ORDINALITY AS t (value, n)
			ORDER BY t.value -> 'start', t.n DESC
		LOOP
			IF jsonb_typeof(tier -> 'start') IS DISTINCT FROM 'number' OR jsonb_typeof(tier -> 'price') IS DISTINCT FROM 'number'
				OR (tier ->> 'start')::numeric < 0 OR (tier ->> 'start')::numeric % 1 <> 0 OR (tier ->> 'price')::numeric < 0 THEN
				PERFORM aiusage.refuse_catalogue('a tier has a whole start and a price, neither of them negative', provider, model, key);
			END IF;
			rows := rows || jsonb_build_object('unit', unit, 'rate', tier -> 'price', 'per', per,
				'tier_start', tier -> 'start', 'tier_metric', 'input_tokens', 'tier_inclusive', false);
		END LOOP;
	END IF;
	RETURN rows;
END
$$;
COMMENT ON FUNCTION aiusage.convert_genai_price(text, text, text, jsonb, jsonb) IS 'A price of the genai-prices catalogue as price rows of the aiusage format. Errors: UA422';

/* When a set of prices of the genai-prices catalogue applies: members of a rule; NULL: never. */
CREATE FUNCTION aiusage.convert_genai_constraint(provider text, model text, condition jsonb)
	RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keys text[];
	begins time;
	ends time;
BEGIN
	IF condition IS NULL THEN
		RETURN '{}';
	END IF;
	IF jsonb_typeof(condition) = 'object' THEN
		keys := ARRAY(SELECT k FROM jsonb_object_keys(condition) AS k WHERE k <> 'type' ORDER BY k);
		IF keys = '{start_date}' AND coalesce(condition ->> 'type', 'start_date') = 'start_date'
			AND (condition ->> 'start_date') ~ '^\d{4}-\d{2}-\d{2}$' THEN
			BEGIN
				PERFORM make_date(substr(condition ->> 'start_date', 1, 4)::int, substr(condition ->> 'start_date', 6, 2)::int,
					substr(condition ->> 'start_date', 9, 2)::int);
				RETURN jsonb_build_object('starts_at', (condition ->> 'start_date') || 'T00:00:00Z');
			EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format THEN
				NULL;			-- not a day of the calendar
			END;
		ELSIF keys = '{end_time,start_time}' AND coalesce(condition ->> 'type', 'time_of_date') = 'time_of_date' THEN
			begins := aiusage.utc_time_of_day(condition ->> 'start_time');
			ends := aiusage.utc_time_of_day(condition ->> 'end_time');
			IF begins = ends THEN
				RETURN NULL;
			ELSIF begins IS NOT NULL AND ends IS NOT NULL THEN
				RETURN jsonb_build_object('time_from', begins, 'time_to', ends);
			END IF;
		END IF;
	END IF;
	PERFORM aiusage.refuse_catalogue(format('unknown price constraint %s', condition), provider, model, 'constraint');
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION aiusage.convert_genai_constraint(text, text, jsonb) IS 'A price constraint of the genai-prices catalogue (with or without its type) as members of a rule of the aiusage format; NULL when it can never hold. Errors: UA422';

CREATE FUNCTION aiusage.convert_genai_model(provider text, entry jsonb, OUT converted jsonb, OUT issues jsonb[])
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	model text;
	sets jsonb;
	price_set jsonb;
	number int := 0;
	condition jsonb;
	minimum jsonb;
	price record;
	prices jsonb;
	rules jsonb := '[]';
	key text;
BEGIN
	issues := '{}';
	IF jsonb_typeof(entry) <> 'object' OR jsonb_typeof(entry -> 'id') IS DISTINCT FROM 'string' THEN
		PERFORM aiusage.refuse_catalogue('a model is an object with an id', provider);
	END IF;
	model := entry ->> 'id';
	FOR key IN SELECT * FROM aiusage.unknown_keys(entry, '{id,name,match,prices,minimum,context_window,description,price_comments,deprecated,removed,prices_checked,price_discrepancies,collapse}') LOOP
		issues := issues || aiusage.price_issue('unknown member of a model, not imported', provider, model, key);
	END LOOP;

	sets := entry -> 'prices';
	IF jsonb_typeof(sets) = 'object' THEN
		sets := jsonb_build_array(jsonb_build_object('prices', sets));
	ELSIF jsonb_typeof(sets) IS DISTINCT FROM 'array' OR jsonb_array_length(sets) = 0 THEN
		PERFORM aiusage.refuse_catalogue('prices are an object, or an array of conditional ones', provider, model, 'prices');
	END IF;

	-- The package has the minimum of Groq's Whisper in its code: every request counts as 10 seconds at least.
	minimum := coalesce(entry -> 'minimum',
		CASE WHEN provider = 'groq' AND model IN ('whisper-large-v3', 'whisper-large-v3-turbo') THEN '{"audio_seconds": 10}'::jsonb END);

	FOR price_set IN SELECT s.value FROM jsonb_array_elements(sets) AS s LOOP
		IF jsonb_typeof(price_set) <> 'object' OR jsonb_typeof(price_set -> 'prices') IS DISTINCT FROM 'object' THEN
			PERFORM aiusage.refuse_catalogue('a conditional price is an object with prices', provider, model, 'prices');
		END IF;
		FOR key IN SELECT * FROM aiusage.unknown_keys(price_set, '{prices,constraint}') LOOP
			issues := issues || aiusage.price_issue('unknown member of a price, not imported', provider, model, key);
		END LOOP;
		condition := aiusage.convert_genai_constraint(provider, model, nullif(price_set -> 'constraint', 'null'));
		IF number = 0 THEN
			condition := '{}';	-- what holds when nothing else does
		END IF;
		IF condition IS NULL THEN
			issues := issues || aiusage.price_issue('the time window is empty: this price never applies, not imported', provider, model, 'constraint');
			number := number + 1;
			CONTINUE;
		END IF;
		prices := '[]';
		FOR price IN SELECT e.key, e.value FROM jsonb_each(price_set -> 'prices') AS e LOOP
			IF aiusage.price_key_unit(price.key) IS NULL THEN
				issues := issues || aiusage.price_issue('unknown price key, not imported: usage of its unit stays unpriced', provider, model, price.key);
			ELSE
				prices := prices || aiusage.convert_genai_price(provider, model, price.key, price.value, minimum);
			END IF;
		END LOOP;
		rules := rules || jsonb_build_array(condition || jsonb_build_object('rule', number, 'prices', prices));
		number := number + 1;
	END LOOP;
	converted := jsonb_build_object('model', model, 'match', entry -> 'match', 'rules', rules);
END
$$;
COMMENT ON FUNCTION aiusage.convert_genai_model(text, jsonb) IS 'A model of the genai-prices catalogue in the aiusage format, and what could not be represented. Errors: UA422';

CREATE FUNCTION aiusage.convert_genai_prices(catalog jsonb, OUT providers jsonb, OUT issues jsonb[])
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry jsonb;
	provider text;
	model jsonb;
	seen jsonb;
	models jsonb[];
	list jsonb[] := '{}';
	converted record;
	key text;
BEGIN
	issues := '{}';
	IF jsonb_typeof(catalog) = 'object' THEN
		catalog := catalog -> 'providers';
	END IF;
	IF jsonb_typeof(catalog) IS DISTINCT FROM 'array' THEN
		PERFORM aiusage.refuse_catalogue('expected an array of providers, or an object with one');
	END IF;
	FOR entry IN SELECT p.value FROM jsonb_array_elements(catalog) AS p LOOP
		IF jsonb_typeof(entry) <> 'object' OR jsonb_typeof(entry -> 'id') IS DISTINCT FROM 'string' THEN
			PERFORM aiusage.refuse_catalogue('a provider is an object with an id');
		END IF;
		provider := entry ->> 'id';
		IF jsonb_typeof(entry -> 'models') IS DISTINCT FROM 'array' THEN
			PERFORM aiusage.refuse_catalogue('a provider has an array of models', provider, NULL, 'models');
		END IF;
		FOR key IN SELECT * FROM aiusage.unknown_keys(entry, '{id,name,models,provider_match,model_match,fallback_model_providers,pricing_urls,api_pattern,extractors,description,price_comments}') LOOP
			issues := issues || aiusage.price_issue('unknown member of a provider, not imported', provider, NULL, key);
		END LOOP;

		models := '{}';
		seen := '{}';
		FOR model IN SELECT m.value FROM jsonb_array_elements(entry -> 'models') AS m LOOP
			converted := aiusage.convert_genai_model(provider, model);
			issues := issues || converted.issues;
			IF seen ? (model ->> 'id') THEN
				issues := issues || aiusage.price_issue('the id occurs twice: this entry is not imported, the first one is', provider, model ->> 'id', 'id');
				CONTINUE;
			END IF;
			seen := seen || jsonb_build_object(model ->> 'id', true);
			models := models || converted.converted;
		END LOOP;
		list := list || jsonb_build_object('provider', provider, 'name', entry -> 'name', 'match', entry -> 'provider_match',
			'model_match', entry -> 'model_match', 'fallbacks', entry -> 'fallback_model_providers', 'models', to_jsonb(models));
	END LOOP;
	providers := to_jsonb(list);
END
$$;
COMMENT ON FUNCTION aiusage.convert_genai_prices(jsonb) IS 'A genai-prices catalogue (data.json, the package''s own form, or aiusage.default_catalogue()) in the aiusage format, and what could not be represented. Errors: UA422';
