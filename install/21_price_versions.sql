/* Versions of prices: drafts, publication, export. */

CREATE FUNCTION aiusage.draft_prices(book text, effective_from timestamptz, label text DEFAULT NULL, copy_from int DEFAULT NULL)
	RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	made int;
BEGIN
	PERFORM aiusage.require_books();
	IF book IS NULL OR effective_from IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'a draft of prices needs a book and the time it is effective from',
			HINT = 'For example aiusage.draft_prices(''list'', ''2027-01-01'').';
	END IF;
	IF NOT EXISTS (SELECT FROM aiusage.price_book AS b WHERE b.book = draft_prices.book) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price book "%s" does not exist', book),
			HINT = 'Make it: INSERT INTO aiusage.price_book (book, kind, currency) VALUES (...).';
	END IF;
	IF copy_from IS NOT NULL AND NOT EXISTS (SELECT FROM aiusage.price_version AS v WHERE v.version = copy_from) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price version %s does not exist', copy_from),
			HINT = 'See aiusage.price_version for the versions there are.';
	END IF;

	INSERT INTO aiusage.price_version AS v (book, label, effective_from, note)
	VALUES (draft_prices.book, draft_prices.label, draft_prices.effective_from,
			CASE WHEN copy_from IS NOT NULL THEN format('copied from version %s', copy_from) END)
	RETURNING v.version INTO made;

	IF copy_from IS NOT NULL THEN
		INSERT INTO aiusage.price_provider (version, provider, ordinal, name, match, model_match, fallbacks)
		SELECT made, p.provider, p.ordinal, p.name, p.match, p.model_match, p.fallbacks
		FROM aiusage.price_provider AS p WHERE p.version = copy_from;
		INSERT INTO aiusage.price_model (version, provider, model, ordinal, match)
		SELECT made, m.provider, m.model, m.ordinal, m.match
		FROM aiusage.price_model AS m WHERE m.version = copy_from;
		INSERT INTO aiusage.price_rule (version, provider, model, rule, service_tier, endpoint, region, starts_at, ends_at,
			weekdays, time_from, time_to, time_zone, multiplier, note)
		SELECT made, r.provider, r.model, r.rule, r.service_tier, r.endpoint, r.region, r.starts_at, r.ends_at,
			r.weekdays, r.time_from, r.time_to, r.time_zone, r.multiplier, r.note
		FROM aiusage.price_rule AS r WHERE r.version = copy_from;
		INSERT INTO aiusage.price (version, provider, model, rule, unit, rate, per, tier_start, tier_metric, tier_inclusive,
			min_quantity, quantity_step)
		SELECT made, p.provider, p.model, p.rule, p.unit, p.rate, p.per, p.tier_start, p.tier_metric, p.tier_inclusive,
			p.min_quantity, p.quantity_step
		FROM aiusage.price AS p WHERE p.version = copy_from;
		INSERT INTO aiusage.price_override (version, override, provider, model, unit, service_tier, kind, value, per, note)
		SELECT made, o.override, o.provider, o.model, o.unit, o.service_tier, o.kind, o.value, o.per, o.note
		FROM aiusage.price_override AS o WHERE o.version = copy_from;
	END IF;
	RETURN made;
END
$$;
COMMENT ON FUNCTION aiusage.draft_prices(text, timestamptz, text, int) IS 'Begins a draft of a book''s prices, empty or as a copy of a version, and returns its version number. Edit price_provider, price_model, price_rule, price and price_override, then publish_prices(). Errors: UA404 unknown book or version, UA422';

CREATE FUNCTION aiusage.publish_prices(version int) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present text := (SELECT v.status FROM aiusage.price_version AS v WHERE v.version = publish_prices.version FOR UPDATE);
BEGIN
	IF present IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price version %s does not exist', version),
			HINT = 'See aiusage.price_version for the versions there are.';
	ELSIF present <> 'draft' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('price version %s is %s', version, present),
			HINT = 'Only a draft can be published or withdrawn.';
	END IF;
	UPDATE aiusage.price_version AS v SET status = 'published' WHERE v.version = publish_prices.version;
END
$$;
COMMENT ON FUNCTION aiusage.publish_prices(int) IS 'Publishes a draft: from commit on it prices events of its effective range, in every session, and never changes again. Rows already booked keep their cost. Errors: UA404 unknown version, UA409 not a draft, UA422 an empty version';

CREATE FUNCTION aiusage.withdraw_prices(version int) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present text := (SELECT v.status FROM aiusage.price_version AS v WHERE v.version = withdraw_prices.version FOR UPDATE);
BEGIN
	IF present IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price version %s does not exist', version),
			HINT = 'See aiusage.price_version for the versions there are.';
	ELSIF present <> 'draft' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('price version %s is %s', version, present),
			HINT = CASE present WHEN 'published' THEN 'Rows may be priced by it; publish a newer version instead.' END;
	END IF;
	UPDATE aiusage.price_version AS v SET status = 'withdrawn' WHERE v.version = withdraw_prices.version;
END
$$;
COMMENT ON FUNCTION aiusage.withdraw_prices(int) IS 'Gives a draft up; it stays readable. Errors: UA404 unknown version, UA409 not a draft';

CREATE FUNCTION aiusage.export_prices(version int) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	SET enable_nestloop = off	-- a new version is not in the statistics: as if of one row it would be joined in hours
	SET TimeZone = 'UTC'
	SET DateStyle = 'ISO'
AS $$
DECLARE
	header jsonb;
	providers jsonb;
	overrides jsonb;
BEGIN
	SELECT jsonb_strip_nulls(jsonb_build_object('format', 'aiusage', 'format_version', 1, 'currency', b.currency,
			'source', v.source, 'version', v.source_version, 'date', v.source_date))
	INTO header
	FROM aiusage.price_version AS v JOIN aiusage.price_book AS b ON b.book = v.book
	WHERE v.version = export_prices.version;
	IF header IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('price version %s does not exist', version),
			HINT = 'See aiusage.price_version for the versions there are.';
	END IF;

	WITH prices AS (
		SELECT p.provider, p.model, p.rule,
			jsonb_agg(jsonb_build_object('unit', p.unit, 'rate', trim_scale(p.rate), 'per', trim_scale(p.per),
					'tier_start', trim_scale(p.tier_start), 'tier_metric', p.tier_metric, 'tier_inclusive', p.tier_inclusive,
					'min_quantity', trim_scale(p.min_quantity), 'quantity_step', trim_scale(p.quantity_step))
				ORDER BY p.unit COLLATE "C", p.tier_start NULLS FIRST) AS list
		FROM aiusage.price AS p WHERE p.version = export_prices.version
		GROUP BY p.provider, p.model, p.rule
	), rules AS (
		SELECT r.provider, r.model,
			jsonb_agg(jsonb_build_object('rule', r.rule, 'service_tier', r.service_tier, 'endpoint', r.endpoint, 'region', r.region,
					'starts_at', r.starts_at, 'ends_at', r.ends_at, 'weekdays', to_jsonb(r.weekdays),
					'time_from', r.time_from, 'time_to', r.time_to, 'time_zone', nullif(r.time_zone, 'UTC'),
					'multiplier', nullif(trim_scale(r.multiplier), 1), 'note', r.note,
					'prices', coalesce(p.list, '[]'))
				ORDER BY r.rule) AS list
		FROM aiusage.price_rule AS r
			LEFT JOIN prices AS p ON p.provider = r.provider AND p.model = r.model AND p.rule = r.rule
		WHERE r.version = export_prices.version
		GROUP BY r.provider, r.model
	), models AS (
		SELECT m.provider,
			jsonb_agg(jsonb_build_object('model', m.model, 'match', m.match, 'rules', coalesce(r.list, '[]'))
				ORDER BY m.ordinal) AS list
		FROM aiusage.price_model AS m
			LEFT JOIN rules AS r ON r.provider = m.provider AND r.model = m.model
		WHERE m.version = export_prices.version
		GROUP BY m.provider
	)
	SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('provider', p.provider, 'name', p.name, 'match', p.match,
				'model_match', p.model_match, 'fallbacks', CASE WHEN cardinality(p.fallbacks) > 0 THEN to_jsonb(p.fallbacks) END,
				'models', coalesce(m.list, '[]')))
			ORDER BY p.ordinal), '[]')
	INTO providers
	FROM aiusage.price_provider AS p LEFT JOIN models AS m ON m.provider = p.provider
	WHERE p.version = export_prices.version;

	overrides := (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('override', o.override, 'provider', o.provider, 'model', o.model,
			'unit', o.unit, 'service_tier', o.service_tier, 'kind', o.kind, 'value', trim_scale(o.value),
			'per', CASE WHEN o.kind = 'rate' THEN trim_scale(o.per) END, 'note', o.note)) ORDER BY o.override)
		FROM aiusage.price_override AS o WHERE o.version = export_prices.version);
	RETURN header || jsonb_build_object('providers', providers)
		|| CASE WHEN overrides IS NULL THEN '{}' ELSE jsonb_build_object('overrides', overrides) END;
END
$$;
COMMENT ON FUNCTION aiusage.export_prices(int) IS 'A price version, whatever its status, in the aiusage format, which import_prices() reads without loss; rates in the currency it names. Errors: UA404 unknown version';

CREATE FUNCTION aiusage.prices_checksum(version int) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
AS $$
DECLARE
	content jsonb := aiusage.export_prices(version);
BEGIN
	RETURN encode(sha256(convert_to(CASE WHEN content ? 'overrides'
		THEN jsonb_build_object('providers', content -> 'providers', 'overrides', content -> 'overrides')
		ELSE content -> 'providers' END::text, 'UTF8')), 'hex');
END
$$;
COMMENT ON FUNCTION aiusage.prices_checksum(int) IS 'SHA-256, in hexadecimal, of what a price version holds: equal for equal content. Errors: UA404 unknown version';
