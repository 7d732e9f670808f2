/* States of a ledger row. Labels are permanent; new ones are appended. */

CREATE TYPE aiusage.usage_status AS ENUM ('success', 'error', 'timeout', 'cancelled');
COMMENT ON TYPE aiusage.usage_status IS 'How an attempt ended, as its caller saw it';

CREATE TYPE aiusage.stream_state AS ENUM ('complete', 'partial', 'estimated');
COMMENT ON TYPE aiusage.stream_state IS 'Whether the usage counters are the provider''s last word';

CREATE TYPE aiusage.cost_state AS ENUM ('final', 'estimated', 'unpriced');
COMMENT ON TYPE aiusage.cost_state IS 'Whether a row has a cost, and whether it may still change';

CREATE TYPE aiusage.unpriced_reason AS ENUM ('no_price_version', 'unknown_provider', 'unknown_model', 'no_prices', 'no_rule',
	'unit_unpriced', 'prices_incomplete', 'contradictory_usage', 'out_of_range');
COMMENT ON TYPE aiusage.unpriced_reason IS 'Why a row has no cost; docs/pricing.md explains each';

CREATE TYPE aiusage.limit_state AS ENUM ('ok', 'soft', 'over', 'exempt', 'unheld');
COMMENT ON TYPE aiusage.limit_state IS 'Where a row''s limits stood when it was booked; exempt: of a bulk import, which limits do not refuse; unheld: named a hold that had expired or was lost in a restart';

CREATE TYPE aiusage.record_kind AS ENUM ('usage', 'reversal', 'adjustment', 'outcome');
COMMENT ON TYPE aiusage.record_kind IS 'What a ledger row is: a request, the taking back of one, a correction of money, or news about a result';
