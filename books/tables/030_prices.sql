/*
 * Prices: books, versions, and what a version holds.
 *
 *     price_book 1-n price_version 1-n price_provider 1-n price_model
 *                                        1-n price_rule 1-n price
 *                               1-n price_override
 *
 * A version is a whole catalogue.  It starts as a draft, is published once and
 * never changes again (the triggers of books/views/15_price_triggers.sql), so a
 * ledger row that is stamped with a version can always be explained.
 */
CREATE TABLE aiusage.price_book (
	book		text PRIMARY KEY
				CHECK (octet_length(book) BETWEEN 1 AND 256),
	kind		text NOT NULL
				CHECK (kind IN ('cost', 'list', 'charge')),
	currency	text NOT NULL
				CHECK (currency ~ '^[A-Z]{3}$'),
	inherits	text NULL REFERENCES aiusage.price_book (book)
				CHECK (inherits <> book),
	note		text NULL,
	created_at	timestamptz NOT NULL DEFAULT now(),
	created_by	text NOT NULL DEFAULT current_user
);
COMMENT ON TABLE aiusage.price_book IS 'A list of prices with a history: list prices, negotiated cost prices, or internal and resale rates (charge). A provider or model that a book does not know is looked up in the book it inherits from, and its overrides apply to what that says.';
COMMENT ON COLUMN aiusage.price_book.book IS 'Name of the book, at most 256 bytes.';
COMMENT ON COLUMN aiusage.price_book.kind IS 'list: what a provider publishes; cost: what we pay; charge: what a team or customer is billed.';
COMMENT ON COLUMN aiusage.price_book.currency IS 'ISO 4217 code of every rate in the book. Cannot change once a version is published.';
COMMENT ON COLUMN aiusage.price_book.inherits IS 'Book of the same currency that prices what this one has no version, provider or model for; NULL: none. Cannot change once a version is published.';
COMMENT ON COLUMN aiusage.price_book.note IS 'Free text; NULL: none.';
COMMENT ON COLUMN aiusage.price_book.created_at IS 'When the book was made.';
COMMENT ON COLUMN aiusage.price_book.created_by IS 'Role that made it.';

CREATE TABLE aiusage.price_version (
	version			int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	book			text NOT NULL REFERENCES aiusage.price_book (book),
	label			text NULL CHECK (octet_length(label) <= 256),
	effective_from	timestamptz NOT NULL CHECK (effective_from < 'infinity'),
	effective_to	timestamptz NULL,
	status			text NOT NULL DEFAULT 'draft'
					CHECK (status IN ('draft', 'published', 'withdrawn')),
	publication		int NULL,
	published_at	timestamptz NULL,
	published_by	text NULL,
	source			text NULL,
	source_version	text NULL,
	source_date		date NULL,
	checksum		text NULL,
	note			text NULL,
	created_at		timestamptz NOT NULL DEFAULT now(),
	created_by		text NOT NULL DEFAULT current_user,
	CHECK (effective_to > effective_from),
	CHECK ((status = 'published') = (publication IS NOT NULL)),
	CHECK ((status = 'published') = (published_at IS NOT NULL)),
	CHECK ((status = 'published') = (published_by IS NOT NULL)),
	UNIQUE (book, publication)
);
COMMENT ON TABLE aiusage.price_version IS 'A catalogue of prices with the time it is effective. For an event at time T the newest published version of the book that is effective at T applies. Published versions are immutable.';
COMMENT ON COLUMN aiusage.price_version.version IS 'Number of the version, unique over all books; stamped on every ledger row that it priced.';
COMMENT ON COLUMN aiusage.price_version.book IS 'The book it belongs to.';
COMMENT ON COLUMN aiusage.price_version.label IS 'Name for people; NULL: none.';
COMMENT ON COLUMN aiusage.price_version.effective_from IS 'First moment whose events it prices; -infinity: all of the past.';
COMMENT ON COLUMN aiusage.price_version.effective_to IS 'First moment whose events it no longer prices; NULL: no end.';
COMMENT ON COLUMN aiusage.price_version.status IS 'draft: editable, prices nothing; published: immutable; withdrawn: a draft that was given up.';
COMMENT ON COLUMN aiusage.price_version.publication IS 'Order of publication in the book, 1 is the first; NULL unless published. The highest one is the newest, whatever the clock said.';
COMMENT ON COLUMN aiusage.price_version.published_at IS 'When it was published; NULL unless published.';
COMMENT ON COLUMN aiusage.price_version.published_by IS 'Role that published it; NULL unless published.';
COMMENT ON COLUMN aiusage.price_version.source IS 'Where the catalogue comes from, for example a package; NULL: not said.';
COMMENT ON COLUMN aiusage.price_version.source_version IS 'Version of the source; NULL: not said.';
COMMENT ON COLUMN aiusage.price_version.source_date IS 'Date of the source; NULL: not said.';
COMMENT ON COLUMN aiusage.price_version.checksum IS 'SHA-256, in hexadecimal, of the content as exported in the aiusage format; NULL before publication.';
COMMENT ON COLUMN aiusage.price_version.note IS 'Free text; NULL: none.';
COMMENT ON COLUMN aiusage.price_version.created_at IS 'When the draft was made.';
COMMENT ON COLUMN aiusage.price_version.created_by IS 'Role that made it.';

CREATE TABLE aiusage.price_provider (
	version		int NOT NULL REFERENCES aiusage.price_version ON DELETE CASCADE,
	provider	text NOT NULL CHECK (octet_length(provider) BETWEEN 1 AND 256),
	ordinal		int NOT NULL,
	name		text NULL,
	match		jsonb NULL CHECK (aiusage.price_match_problem(match) IS NULL),
	model_match	jsonb NULL CHECK (aiusage.price_match_problem(model_match) IS NULL),
	fallbacks	text[] NOT NULL DEFAULT '{}' CHECK (array_position(fallbacks, NULL) IS NULL),
	PRIMARY KEY (version, provider),
	UNIQUE (version, ordinal)
);
COMMENT ON TABLE aiusage.price_provider IS 'A provider (host) of models in a version.';
COMMENT ON COLUMN aiusage.price_provider.version IS 'The version it belongs to.';
COMMENT ON COLUMN aiusage.price_provider.provider IS 'Id of the provider; a request that names it exactly (letter case aside) means it.';
COMMENT ON COLUMN aiusage.price_provider.ordinal IS 'Order in the catalogue: of several providers whose match fits, the first one is meant.';
COMMENT ON COLUMN aiusage.price_provider.name IS 'Name for people; NULL: none.';
COMMENT ON COLUMN aiusage.price_provider.match IS 'Other names of the provider, as a match expression; NULL: none.';
COMMENT ON COLUMN aiusage.price_provider.model_match IS 'Models that are this provider''s when the request only says that it went through a proxy (provider litellm); NULL: none.';
COMMENT ON COLUMN aiusage.price_provider.fallbacks IS 'Providers whose models are looked at, in this order, when none of its own fits.';

CREATE TABLE aiusage.price_model (
	version		int NOT NULL,
	provider	text NOT NULL,
	model		text NOT NULL CHECK (octet_length(model) BETWEEN 1 AND 256),
	ordinal		int NOT NULL,
	match		jsonb NULL CHECK (aiusage.price_match_problem(match) IS NULL),
	PRIMARY KEY (version, provider, model),
	UNIQUE (version, provider, ordinal),
	FOREIGN KEY (version, provider) REFERENCES aiusage.price_provider ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE aiusage.price_model IS 'A model of a provider in a version, and the names it goes by.';
COMMENT ON COLUMN aiusage.price_model.version IS 'The version it belongs to.';
COMMENT ON COLUMN aiusage.price_model.provider IS 'Its provider.';
COMMENT ON COLUMN aiusage.price_model.model IS 'Id of the entry.';
COMMENT ON COLUMN aiusage.price_model.ordinal IS 'Order in the catalogue: of several entries whose match fits, the first one applies.';
COMMENT ON COLUMN aiusage.price_model.match IS 'Model names that mean this entry, as a match expression: {"equals"|"starts_with"|"ends_with"|"contains"|"regex": text} or {"or"|"and": [...]}; NULL: the id itself.';

CREATE TABLE aiusage.price_rule (
	version			int NOT NULL,
	provider		text NOT NULL,
	model			text NOT NULL,
	rule			int NOT NULL DEFAULT 0 CHECK (rule >= 0),
	service_tier	text NULL CHECK (octet_length(service_tier) BETWEEN 1 AND 256),
	endpoint		text NULL CHECK (octet_length(endpoint) BETWEEN 1 AND 256),
	region			text NULL CHECK (octet_length(region) BETWEEN 1 AND 256),
	starts_at		timestamptz NULL CHECK (isfinite(starts_at)),
	ends_at			timestamptz NULL CHECK (isfinite(ends_at)),
	weekdays		int[] NULL
					CHECK (weekdays <@ '{1,2,3,4,5,6,7}' AND cardinality(weekdays) > 0),
	time_from		time NULL,
	time_to			time NULL,
	time_zone		text NOT NULL DEFAULT 'UTC'
					CHECK (aiusage.price_time_zone_valid(time_zone)),
	multiplier		numeric NOT NULL DEFAULT 1
					CHECK (multiplier >= 0 AND multiplier <= 1000000 AND scale(trim_scale(multiplier)) <= 6),
	note			text NULL CHECK (octet_length(note) <= 1024),
	PRIMARY KEY (version, provider, model, rule),
	FOREIGN KEY (version, provider, model) REFERENCES aiusage.price_model ON UPDATE CASCADE ON DELETE CASCADE,
	CHECK (ends_at > starts_at),
	CHECK ((time_from IS NULL) = (time_to IS NULL)),
	CHECK (time_from <> time_to)
);
COMMENT ON TABLE aiusage.price_rule IS 'A set of prices of a model and when it applies. Of the rules that apply, the one that names the service tier wins, then the endpoint, then the region, then the highest rule number.';
COMMENT ON COLUMN aiusage.price_rule.version IS 'The version it belongs to.';
COMMENT ON COLUMN aiusage.price_rule.provider IS 'Its provider.';
COMMENT ON COLUMN aiusage.price_rule.model IS 'Its model entry.';
COMMENT ON COLUMN aiusage.price_rule.rule IS 'Number of the rule in the model; among equally specific ones that apply the highest wins.';
COMMENT ON COLUMN aiusage.price_rule.service_tier IS 'Service tier as served (letter case aside) it applies to, for example batch; * is any tier; NULL: the standard tier only.';
COMMENT ON COLUMN aiusage.price_rule.endpoint IS 'Endpoint it applies to (letter case aside); NULL: any.';
COMMENT ON COLUMN aiusage.price_rule.region IS 'Region it applies to (letter case aside); * is any that the request names and no other rule; NULL: any, also none.';
COMMENT ON COLUMN aiusage.price_rule.starts_at IS 'First moment it applies; NULL: no limit.';
COMMENT ON COLUMN aiusage.price_rule.ends_at IS 'First moment it no longer applies; NULL: no limit.';
COMMENT ON COLUMN aiusage.price_rule.weekdays IS 'ISO weekdays (1 is Monday) in time_zone on which it applies, of the day on which the window begins; NULL: every day.';
COMMENT ON COLUMN aiusage.price_rule.time_from IS 'Beginning of the daily window in time_zone, inclusive; NULL: all day.';
COMMENT ON COLUMN aiusage.price_rule.time_to IS 'End of the daily window, exclusive; before time_from: the window ends on the next day.';
COMMENT ON COLUMN aiusage.price_rule.time_zone IS 'Time zone of weekdays and window.';
COMMENT ON COLUMN aiusage.price_rule.multiplier IS 'Every rate of the rule is multiplied by it: an uplift or a discount; 1: none.';
COMMENT ON COLUMN aiusage.price_rule.note IS 'Free text; NULL: none.';

CREATE TABLE aiusage.price (
	version			int NOT NULL,
	provider		text NOT NULL,
	model			text NOT NULL,
	rule			int NOT NULL DEFAULT 0,
	unit			text NOT NULL CHECK (unit ~ '^[a-z][a-z0-9_]{0,62}$'),
	rate			numeric NOT NULL
					CHECK (rate >= 0 AND rate <= 1000000000000
						   AND scale(trim_scale(rate)) <= CASE WHEN rate < 1000000 THEN 24 ELSE 18 END),
	per				numeric NOT NULL DEFAULT 1
					CHECK (per > 0 AND per <= 1000000000000 AND scale(trim_scale(per)) <= 6),
	tier_start		numeric NULL
					CHECK (tier_start >= 0 AND tier_start <= 1000000000000000 AND scale(trim_scale(tier_start)) <= 6),
	tier_metric		text NULL CHECK (aiusage.price_metric_problem(tier_metric) IS NULL),
	tier_inclusive	boolean NULL,
	min_quantity	numeric NULL
					CHECK (min_quantity > 0 AND min_quantity <= 1000000000000000 AND scale(trim_scale(min_quantity)) <= 6),
	quantity_step	numeric NULL
					CHECK (quantity_step > 0 AND quantity_step <= 1000000000000000 AND scale(trim_scale(quantity_step)) <= 6),
	UNIQUE NULLS NOT DISTINCT (version, provider, model, rule, unit, tier_start),
	FOREIGN KEY (version, provider, model, rule) REFERENCES aiusage.price_rule ON UPDATE CASCADE ON DELETE CASCADE,
	CHECK ((tier_start IS NULL) = (tier_metric IS NULL)),
	CHECK ((tier_start IS NULL) = (tier_inclusive IS NULL)),
	CHECK (tier_start IS NULL OR (min_quantity IS NULL AND quantity_step IS NULL))
);
COMMENT ON TABLE aiusage.price IS 'What a unit costs: rate for every `per` of it, in the currency of the book. A row with tier_start replaces the rate of the whole request once the metric passes it. Zero is a price; a missing row is not.';
COMMENT ON COLUMN aiusage.price.version IS 'The version it belongs to.';
COMMENT ON COLUMN aiusage.price.provider IS 'Its provider.';
COMMENT ON COLUMN aiusage.price.model IS 'Its model entry.';
COMMENT ON COLUMN aiusage.price.rule IS 'Its rule.';
COMMENT ON COLUMN aiusage.price.unit IS 'Unit of the usage that is priced, for example input_tokens.';
COMMENT ON COLUMN aiusage.price.rate IS 'Money, in the currency of the book, for `per` of the unit; at most 1e12, at most 24 decimals.';
COMMENT ON COLUMN aiusage.price.per IS 'Quantity that the rate is for: 1000000 for a rate per million tokens, 3600 for a rate per hour of a unit in seconds.';
COMMENT ON COLUMN aiusage.price.tier_start IS 'Quantity of the metric above which (tier_inclusive: at which) this rate replaces the base rate; NULL: the base rate.';
COMMENT ON COLUMN aiusage.price.tier_metric IS 'What is compared with tier_start: units joined by + and -, for example input_tokens or input_tokens-cache_read_tokens, of the inclusive quantities; NULL: the base rate.';
COMMENT ON COLUMN aiusage.price.tier_inclusive IS 'true: reached at tier_start; false: only above it; NULL: the base rate.';
COMMENT ON COLUMN aiusage.price.min_quantity IS 'Smallest quantity that is billed when the unit was used at all; NULL: none.';
COMMENT ON COLUMN aiusage.price.quantity_step IS 'The billed quantity is rounded up to a multiple of it; NULL: not rounded.';

CREATE TABLE aiusage.price_override (
	version			int NOT NULL REFERENCES aiusage.price_version ON DELETE CASCADE,
	override		int NOT NULL CHECK (override >= 0),
	provider		text NULL CHECK (octet_length(provider) BETWEEN 1 AND 256),
	model			text NULL CHECK (octet_length(model) BETWEEN 1 AND 256),
	unit			text NULL CHECK (unit ~ '^[a-z][a-z0-9_]{0,62}$'),
	service_tier	text NULL CHECK (octet_length(service_tier) BETWEEN 1 AND 256),
	kind			text NOT NULL CHECK (kind IN ('rate', 'discount', 'markup', 'fixed')),
	value			numeric NOT NULL CHECK (value >= 0),
	per				numeric NOT NULL DEFAULT 1
					CHECK (per > 0 AND per <= 1000000000000 AND scale(trim_scale(per)) <= 6),
	note			text NULL CHECK (octet_length(note) <= 1024),
	PRIMARY KEY (version, override),
	CONSTRAINT price_override_money CHECK (kind NOT IN ('rate', 'fixed') OR
		   value <= 1000000000000 AND scale(trim_scale(value)) <= CASE WHEN value < 1000000 THEN 24 ELSE 18 END),
	CONSTRAINT price_override_discount CHECK (kind <> 'discount' OR value <= 100 AND scale(trim_scale(value)) <= 6),
	CONSTRAINT price_override_markup CHECK (kind <> 'markup' OR value <= 1000000 AND scale(trim_scale(value)) <= 6),
	CONSTRAINT price_override_rate_names_unit CHECK (kind <> 'rate' OR unit IS NOT NULL),
	CONSTRAINT price_override_fixed_names_no_unit CHECK (kind <> 'fixed' OR unit IS NULL),
	CONSTRAINT price_override_only_rate_has_per CHECK (kind = 'rate' OR per = 1)
);
COMMENT ON TABLE aiusage.price_override IS 'What a version makes of the prices that its book inherits. Of those that concern a request one applies to each unit: the one that names the model, then the provider, then the service tier, then the unit, then the one with the highest number; a fixed price is for the whole request';
COMMENT ON COLUMN aiusage.price_override.version IS 'The version it belongs to; its book inherits from another.';
COMMENT ON COLUMN aiusage.price_override.override IS 'Number of the override in the version; of equally specific ones the highest applies.';
COMMENT ON COLUMN aiusage.price_override.provider IS 'Id of the provider that is asked (letter case aside), which may not be the one whose entry has the price; NULL: any.';
COMMENT ON COLUMN aiusage.price_override.model IS 'Id of the inherited model entry (letter case aside); a trailing * is a prefix; NULL: any.';
COMMENT ON COLUMN aiusage.price_override.unit IS 'Unit whose rate it changes; a rate may also add one; NULL: every unit.';
COMMENT ON COLUMN aiusage.price_override.service_tier IS 'Service tier as served (letter case aside); * is any; NULL: of a discount or markup any, of a rate or fixed price the standard tier only.';
COMMENT ON COLUMN aiusage.price_override.kind IS 'rate: instead of the inherited rate, its tiers and the multiplier of its rule; discount, markup: value per cent less, or more; fixed: per request, whatever it used.';
COMMENT ON COLUMN aiusage.price_override.value IS 'rate, fixed: money, in the currency of the book; discount, markup: per cent.';
COMMENT ON COLUMN aiusage.price_override.per IS 'Quantity of the unit that a rate is for; 1 for the other kinds.';
COMMENT ON COLUMN aiusage.price_override.note IS 'Free text, for example the contract''s clause; NULL: none.';

CREATE TABLE aiusage.price_import_issue (
	version		int NOT NULL REFERENCES aiusage.price_version ON DELETE CASCADE,
	issue		int NOT NULL,
	provider	text NULL,
	model		text NULL,
	key			text NULL,
	problem		text NOT NULL,
	PRIMARY KEY (version, issue)
);
COMMENT ON TABLE aiusage.price_import_issue IS 'What an imported catalogue said that its version does not hold: one row a thing, nothing is dropped silently.';
COMMENT ON COLUMN aiusage.price_import_issue.version IS 'The version that was made by the import.';
COMMENT ON COLUMN aiusage.price_import_issue.issue IS 'Number of the issue in the version.';
COMMENT ON COLUMN aiusage.price_import_issue.provider IS 'Provider it concerns; NULL: none in particular.';
COMMENT ON COLUMN aiusage.price_import_issue.model IS 'Model it concerns; NULL: none in particular.';
COMMENT ON COLUMN aiusage.price_import_issue.key IS 'Key of the catalogue; NULL: none in particular.';
COMMENT ON COLUMN aiusage.price_import_issue.problem IS 'What is not represented, and its effect.';

INSERT INTO aiusage.price_book (book, kind, currency, note)
SELECT 'list', 'list',
	   coalesce((SELECT s.value FROM aiusage.setting s WHERE s.name = 'currency'), 'USD'),
	   'List prices as published by the providers';
