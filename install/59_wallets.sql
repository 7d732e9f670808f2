/* Prepaid: wallets and recharges.  Outer functions are for people; owner_ ones run as the owner of the books. */

CREATE FUNCTION aiusage.guard_wallet_row() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	before jsonb;
	after jsonb;
	may_change text[];
BEGIN
	IF TG_OP = 'UPDATE' THEN
		before := to_jsonb(OLD);
		after := to_jsonb(NEW);
		may_change := CASE TG_TABLE_NAME
			WHEN 'recharge' THEN CASE WHEN before ->> 'status' = 'requested' THEN ARRAY['status', 'decided_at', 'decided_by', 'decision_note'] END
			WHEN 'wallet_credit' THEN CASE WHEN before ->> 'expired_at' IS NULL THEN ARRAY['burned', 'expired_at'] END
			WHEN 'wallet' THEN CASE WHEN before ->> 'status' = 'active' THEN
				ARRAY['status', 'posted_used', 'low_balance', 'refill_to', 'note', 'closed_at', 'closed_by'] END
		END;
		IF before - may_change = after - may_change THEN
			RETURN NEW;
		END IF;
	END IF;
	RAISE EXCEPTION USING ERRCODE = 'UA403',
		MESSAGE = format('rows of "%s" are kept as they are', TG_TABLE_NAME),
		DETAIL = 'They are what the balance of a wallet is made of.',
		HINT = 'aiusage.correct_wallet() adds what sets it right.';
END
$$;
COMMENT ON FUNCTION aiusage.guard_wallet_row() IS 'Trigger of wallets, recharges, credits and their journal: what was written stays (UA403)';

CREATE FUNCTION aiusage.owner_wallet(name text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
BEGIN
	-- before the wallet, as put_wallet() does: its limit changes with it
	LOCK TABLE aiusage.quota IN ROW EXCLUSIVE MODE;
	SELECT x.wallet INTO number FROM aiusage.wallet AS x WHERE x.name = owner_wallet.name AND x.status = 'active' FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('wallet "%s" does not exist', left(coalesce(owner_wallet.name, 'null'), 64)),
			HINT = 'aiusage.put_wallet() makes one.';
	END IF;
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_wallet(text) IS 'Number of an active wallet, which it locks; UA404';

-- What the limit of a wallet is: what was spent before it, and its credit.
CREATE FUNCTION aiusage.owner_set_wallet_limit(wallet int) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE aiusage.quota AS q SET "limit" = l.value
	FROM aiusage.wallet AS w
	CROSS JOIN LATERAL (SELECT greatest(w.opening_used + coalesce(sum(j.amount) FILTER (WHERE j.kind <> 'usage'), 0), 0) AS value
		FROM aiusage.wallet_journal AS j WHERE j.wallet = w.wallet) AS l
	WHERE w.wallet = owner_set_wallet_limit.wallet AND q.quota = w.quota AND q.status = 'active' AND q."limit" <> l.value
$$;
COMMENT ON FUNCTION aiusage.owner_set_wallet_limit(int) IS 'Makes the limit of a wallet what its journal says';

CREATE FUNCTION aiusage.put_wallet(record jsonb) RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.put_wallet(jsonb) IS 'Makes or changes a wallet from its whole record, by its name: {name, scope, currency, thresholds, unpriced, exempt_free, notify, note, low_balance, refill_to}; returns its number. scope is that of put_quota(). It begins without credit, so it refuses what its scope spends (UA402) until it is recharged. Scope and currency cannot change. Errors: UA422 with everything that is wrong; UA409; 55P03 when usage is being written for too long';

CREATE FUNCTION aiusage.owner_put_wallet(record jsonb) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	own text[] := ARRAY['low_balance', 'refill_to'];
	stray text;
	f jsonb;
	n aiusage.quota;
	known aiusage.wallet;
	limited aiusage.quota;
	low numeric;
	refill numeric;
	number int;
	spent numeric;
BEGIN
	IF record IS NULL OR jsonb_typeof(record) <> 'object' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'the record of a wallet must be a JSON object',
			HINT = 'For example {"name": "acme", "scope": {"customer": "acme"}, "currency": "USD"}.';
	END IF;
	stray := (SELECT string_agg(format('"%s"', left(k, 64)), ', ' ORDER BY k) FROM jsonb_object_keys(record) AS k
		WHERE k <> ALL (own || ARRAY['name', 'scope', 'currency', 'thresholds', 'unpriced', 'exempt_free', 'notify', 'note']));
	IF stray IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('%s is no field of a wallet', stray),
			HINT = 'Fields are name, scope, currency, thresholds, unpriced, exempt_free, notify, note, low_balance and refill_to.';
	END IF;
	IF EXISTS (SELECT FROM unnest(own) AS k WHERE jsonb_typeof(record -> k) NOT IN ('number', 'null')) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'low_balance and refill_to of a wallet are amounts in its currency',
			HINT = 'Both are numbers in the currency of the wallet, with at most 12 decimals.';
	END IF;
	low := (record ->> 'low_balance')::numeric;
	refill := (record ->> 'refill_to')::numeric;
	IF low < 0 OR low > 1e15 OR refill > 1e15 OR refill <= coalesce(low, refill) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'refill_to of a wallet must be more than its low_balance, which must not be negative',
			HINT = 'When the balance is below low_balance, a recharge up to refill_to is requested.';
	END IF;

	LOCK TABLE aiusage.quota IN SHARE ROW EXCLUSIVE MODE;
	-- before anything else is said of the limit, so that its own messages speak
	f := aiusage.owner_quota_fields((record - own) || '{"metric": "spend", "limit": 0, "window": "total", "action": "reject"}');
	n := jsonb_populate_record(NULL::aiusage.quota, f);

	SELECT * INTO known FROM aiusage.wallet AS w WHERE w.name = n.name AND w.status = 'active' FOR UPDATE;
	SELECT * INTO limited FROM aiusage.quota AS q WHERE q.name = n.name AND q.status <> 'retired';
	IF known.wallet IS NOT NULL THEN
		IF (SELECT bool_or(o.value <> x.value) FROM jsonb_each(to_jsonb(limited)) AS o JOIN jsonb_each(to_jsonb(n)) AS x USING (key)
			WHERE o.key = ANY (aiusage.quota_dimensions() || ARRAY['tag_value', 'currency'])) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('scope and currency of wallet "%s" cannot be changed', n.name),
				HINT = 'Close it with aiusage.close_wallet(), and make another.';
		END IF;
		UPDATE aiusage.quota AS q
		SET thresholds = n.thresholds, unpriced = n.unpriced, exempt_free = n.exempt_free, notify = n.notify, note = n.note
		WHERE q.quota = known.quota
			AND (q.thresholds, q.unpriced, q.exempt_free, q.notify, q.note) IS DISTINCT FROM (n.thresholds, n.unpriced, n.exempt_free, n.notify, n.note);
		UPDATE aiusage.wallet AS w SET low_balance = low, refill_to = refill, note = n.note
		WHERE w.wallet = known.wallet AND (w.low_balance, w.refill_to, w.note) IS DISTINCT FROM (low, refill, n.note);
		RETURN known.wallet;
	END IF;
	IF limited.quota IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409',
			MESSAGE = format('there is a limit of the name "%s"', n.name),
			HINT = 'Give the wallet another name: it is a limit too.';
	END IF;

	INSERT INTO aiusage.quota AS q (name, api_key, key_class, team, cost_center, project, customer, plan_tier, user_id, environment,
		workflow, job_id, provider, model, endpoint, tag, tag_value, metric, currency, "limit", "window", time_zone, thresholds, action,
		unpriced, exempt_free, notify, note, wallet, created_by)
	VALUES (n.name, n.api_key, n.key_class, n.team, n.cost_center, n.project, n.customer, n.plan_tier, n.user_id, n.environment,
		n.workflow, n.job_id, n.provider, n.model, n.endpoint, n.tag, n.tag_value, 'spend', n.currency, 0, 'total', n.time_zone, n.thresholds, 'reject',
		n.unpriced, n.exempt_free, n.notify, n.note, true, aiusage.acting_role())
	RETURNING q.quota INTO number;
	PERFORM aiusage.owner_publish_quota(number);
	-- Publishing keeps writers away until we commit: what is spent now is spent before.
	spent := coalesce((SELECT sum(c.used) FROM aiusage.quota_counter AS c WHERE c.quota = number), 0);
	INSERT INTO aiusage.wallet AS w (name, quota, currency, opening_used, posted_used, low_balance, refill_to, note, created_by)
	VALUES (n.name, number, n.currency, spent, spent, low, refill, n.note, aiusage.acting_role())
	RETURNING w.wallet INTO number;
	PERFORM aiusage.owner_set_wallet_limit(number);
	RETURN number;
END
$$;
COMMENT ON FUNCTION aiusage.owner_put_wallet(jsonb) IS 'Body of put_wallet(), for the owner of the books only';

CREATE FUNCTION aiusage.close_wallet(name text, reason text) RETURNS numeric
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.close_wallet(text, text) IS 'Posts a wallet and closes it: its scope is no longer refused for want of credit. Returns the balance it is left with, in its currency; the journal stays. Errors: UA404; UA422 without a reason';

CREATE FUNCTION aiusage.owner_close_wallet(name text, reason text) RETURNS numeric
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	w aiusage.wallet;
	number int;
BEGIN
	IF coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'closing a wallet needs a reason', HINT = 'Say why in words; an auditor reads it.';
	END IF;
	LOCK TABLE aiusage.quota IN SHARE ROW EXCLUSIVE MODE;
	number := aiusage.owner_wallet(name);
	SELECT * INTO w FROM aiusage.wallet AS x WHERE x.wallet = number;
	PERFORM aiusage.owner_post_wallet(w.wallet);
	UPDATE aiusage.wallet AS x SET status = 'closed', closed_at = clock_timestamp(), closed_by = aiusage.acting_role() WHERE x.wallet = w.wallet;
	PERFORM aiusage.owner_retire_quota(w.name, reason);
	RETURN coalesce((SELECT sum(j.amount) FROM aiusage.wallet_journal AS j WHERE j.wallet = w.wallet), 0);
END
$$;
COMMENT ON FUNCTION aiusage.owner_close_wallet(text, text) IS 'Body of close_wallet(), for the owner of the books only';

CREATE FUNCTION aiusage.request_recharge(wallet text, key text, amount numeric, paid numeric DEFAULT NULL, paid_currency text DEFAULT NULL,
		fee numeric DEFAULT NULL, exchange_rate numeric DEFAULT NULL, invoice text DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
		priority int DEFAULT 100, note text DEFAULT NULL)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.request_recharge(text, text, numeric, numeric, text, numeric, numeric, text, timestamptz, int, text) IS 'Asks for credit of a wallet, in its currency; somebody else approves it. key makes it happen once: the same request again returns the same number. paid and fee in paid_currency, and the exchange rate, are kept apart from the credit. Errors: UA404 no such wallet; UA409 the key was used for another request; UA422 a bad amount, currency or time';

CREATE FUNCTION aiusage.owner_request_recharge(wallet text, key text, amount numeric, paid numeric, paid_currency text,
		fee numeric, exchange_rate numeric, invoice text, expires_at timestamptz, priority int, note text)
	RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	w aiusage.wallet;
	known aiusage.recharge;
	number bigint := aiusage.owner_wallet(wallet);
BEGIN
	SELECT * INTO w FROM aiusage.wallet AS x WHERE x.wallet = number;
	IF key IS NULL OR octet_length(key) NOT BETWEEN 1 AND 256 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'a recharge needs a key of at most 256 bytes',
			HINT = 'Any text that is the same when you send this request again, and no other: the number of the order, for example.';
	END IF;
	IF aiusage.looks_like_secret(key) IS NOT NULL OR aiusage.looks_like_secret(invoice) IS NOT NULL OR aiusage.looks_like_secret(note) IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'key, invoice or note seems to hold a secret',
			HINT = 'No secret may be stored here: name the payment, not what it was paid with.';
	END IF;
	SELECT * INTO known FROM aiusage.recharge AS r WHERE r.wallet = w.wallet AND r.key = owner_request_recharge.key;
	IF FOUND THEN
		IF known.kind <> 'recharge' OR (known.amount, known.paid, known.paid_currency, known.fee, known.exchange_rate, known.invoice, known.expires_at, known.priority)
			IS DISTINCT FROM (owner_request_recharge.amount, owner_request_recharge.paid, owner_request_recharge.paid_currency,
				owner_request_recharge.fee, owner_request_recharge.exchange_rate, owner_request_recharge.invoice,
				owner_request_recharge.expires_at, coalesce(owner_request_recharge.priority, 100)) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409',
				MESSAGE = format('key "%s" was used for another recharge of wallet "%s"', left(owner_request_recharge.key, 64), w.name),
				DETAIL = format('Recharge %s of %s %s is %s.', known.recharge, known.amount, w.currency, known.status),
				HINT = 'Send what you sent then, or use another key.';
		END IF;
		RETURN known.recharge;
	END IF;
	IF expires_at <= clock_timestamp() THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'the credit would have expired already',
			HINT = 'Give a later expires_at, or none.';
	END IF;
	IF amount IS NULL OR amount = 'NaN' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'a recharge needs an amount',
			HINT = 'It is the credit, in the currency of the wallet; what was paid for it is paid and paid_currency.';
	END IF;
	INSERT INTO aiusage.recharge AS r (wallet, key, amount, paid, paid_currency, fee, exchange_rate, invoice, expires_at, priority, note, requested_by)
	VALUES (w.wallet, owner_request_recharge.key, owner_request_recharge.amount, owner_request_recharge.paid, owner_request_recharge.paid_currency,
		owner_request_recharge.fee, owner_request_recharge.exchange_rate, owner_request_recharge.invoice, owner_request_recharge.expires_at,
		coalesce(owner_request_recharge.priority, 100), owner_request_recharge.note, aiusage.acting_role())
	RETURNING r.recharge INTO number;
	RETURN number;
EXCEPTION WHEN check_violation THEN
	RAISE EXCEPTION USING ERRCODE = 'UA422',
		MESSAGE = 'amounts of a recharge are out of range, or a currency is missing',
		DETAIL = 'amount is more than 0, paid and fee are 0 or more, all up to 1e15 with at most 12 decimals; paid needs paid_currency, fee and exchange_rate need paid; labels have at most 256 bytes.',
		HINT = 'Look at the amount that DETAIL is about; the credit itself is in the currency of the wallet.';
END
$$;
COMMENT ON FUNCTION aiusage.owner_request_recharge(text, text, numeric, numeric, text, numeric, numeric, text, timestamptz, int, text) IS 'Body of request_recharge(), for the owner of the books only';

CREATE FUNCTION aiusage.owner_decide_recharge(recharge bigint, new_status text, note text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	r aiusage.recharge;
BEGIN
	-- limits before wallet before recharge, as everybody takes them
	LOCK TABLE aiusage.quota IN ROW EXCLUSIVE MODE;
	PERFORM FROM aiusage.wallet AS w WHERE w.wallet = (SELECT x.wallet FROM aiusage.recharge AS x WHERE x.recharge = owner_decide_recharge.recharge) FOR UPDATE;
	SELECT * INTO r FROM aiusage.recharge AS x WHERE x.recharge = owner_decide_recharge.recharge FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404', MESSAGE = format('recharge %s does not exist', coalesce(recharge::text, 'null')),
			HINT = 'aiusage.recharge lists them.';
	END IF;
	IF r.status = new_status THEN
		RETURN false;			-- decided so already: the same answer again
	END IF;
	IF r.status <> 'requested' THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409', MESSAGE = format('recharge %s is %s', r.recharge, r.status),
			HINT = 'aiusage.correct_wallet() takes credit back.';
	END IF;
	IF new_status = 'approved' AND NOT r.automatic AND
		(r.requested_by IN (aiusage.acting_role(), session_user) OR r.requested_session IN (aiusage.acting_role(), session_user)) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA403', MESSAGE = 'who requests a recharge cannot approve it',
			HINT = 'Ask somebody else with the kind approver or admin.';
	END IF;
	IF new_status = 'approved' AND NOT EXISTS (SELECT FROM aiusage.wallet AS w WHERE w.wallet = r.wallet AND w.status = 'active') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409', MESSAGE = 'the wallet is closed', HINT = 'Make another with aiusage.put_wallet().';
	END IF;
	IF new_status = 'approved' AND r.expires_at <= clock_timestamp() THEN
		RAISE EXCEPTION USING ERRCODE = 'UA409', MESSAGE = format('the credit of recharge %s would have expired already', r.recharge),
			HINT = 'Refuse it, and request another.';
	END IF;
	UPDATE aiusage.recharge AS x
	SET status = new_status, decided_at = clock_timestamp(), decided_by = aiusage.acting_role(), decision_note = nullif(left(note, 256), '')
	WHERE x.recharge = r.recharge;
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.owner_decide_recharge(bigint, text, text) IS 'Decides a recharge; false when it is decided so already. UA403 by whoever requested it; UA404; UA409';

CREATE FUNCTION aiusage.approve_recharge(recharge bigint, note text DEFAULT NULL) RETURNS numeric
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.approve_recharge(bigint, text) IS 'Credits a recharge that somebody else requested, once; effective for the next row after the commit. Returns the credit of the wallet as posted, in its currency. Errors: UA403 for whoever requested it, as the role that acts or the one logged in; UA404; UA409 refused already, expired, or the wallet is closed';

CREATE FUNCTION aiusage.owner_approve_recharge(recharge bigint, note text) RETURNS numeric
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	r aiusage.recharge;
	decided boolean := aiusage.owner_decide_recharge(recharge, 'approved', note);
	number bigint;
BEGIN
	SELECT * INTO r FROM aiusage.recharge AS x WHERE x.recharge = owner_approve_recharge.recharge;
	IF decided THEN
		INSERT INTO aiusage.wallet_credit AS c (wallet, recharge, amount, priority, expires_at)
		VALUES (r.wallet, r.recharge, r.amount, r.priority, r.expires_at) RETURNING c.credit INTO number;
		INSERT INTO aiusage.wallet_journal (wallet, kind, credit, amount, key, reason, ticket, role)
		VALUES (r.wallet, r.kind, number, r.amount, CASE r.kind WHEN 'correction' THEN r.key END, r.reason, r.ticket, aiusage.acting_role());
		PERFORM aiusage.owner_set_wallet_limit(r.wallet);
	END IF;
	RETURN (SELECT sum(j.amount) FROM aiusage.wallet_journal AS j WHERE j.wallet = r.wallet);
END
$$;
COMMENT ON FUNCTION aiusage.owner_approve_recharge(bigint, text) IS 'Body of approve_recharge(), for the owner of the books only';

CREATE FUNCTION aiusage.refuse_recharge(recharge bigint, note text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.refuse_recharge(bigint, text) IS 'Refuses a recharge. Errors: UA404; UA409 when it is approved';

CREATE FUNCTION aiusage.owner_refuse_recharge(recharge bigint, note text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM aiusage.owner_decide_recharge(recharge, 'refused', note);
END
$$;
COMMENT ON FUNCTION aiusage.owner_refuse_recharge(bigint, text) IS 'Body of refuse_recharge(), for the owner of the books only';
