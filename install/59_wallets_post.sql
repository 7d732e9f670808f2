/* Prepaid: corrections, and the posting of what was spent to the journal. */

-- Take an amount off a wallet's credits, in their order; what none is left for is owed.
CREATE FUNCTION aiusage.owner_burn(wallet int, amount numeric, kind text, used_to numeric DEFAULT NULL, key text DEFAULT NULL,
		reason text DEFAULT NULL, ticket text DEFAULT NULL)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	c aiusage.wallet_credit;
	left_over numeric := amount;
	part numeric;
	once text := key;
BEGIN
	FOR c IN
		SELECT * FROM aiusage.wallet_credit AS x
		WHERE x.wallet = owner_burn.wallet AND x.expired_at IS NULL AND x.burned < x.amount
		ORDER BY x.priority, x.expires_at NULLS LAST, x.credit FOR UPDATE
	LOOP
		EXIT WHEN left_over <= 0;
		part := least(left_over, c.amount - c.burned);
		UPDATE aiusage.wallet_credit AS x SET burned = x.burned + part WHERE x.credit = c.credit;
		INSERT INTO aiusage.wallet_journal (wallet, kind, credit, amount, used_to, key, reason, ticket, role)
		VALUES (owner_burn.wallet, owner_burn.kind, c.credit, -part, owner_burn.used_to, once, owner_burn.reason, owner_burn.ticket, aiusage.acting_role());
		left_over := left_over - part;
		once := NULL;
	END LOOP;
	IF left_over > 0 THEN
		INSERT INTO aiusage.wallet_journal (wallet, kind, amount, used_to, key, reason, ticket, role)
		VALUES (owner_burn.wallet, owner_burn.kind, -left_over, owner_burn.used_to, once, owner_burn.reason, owner_burn.ticket, aiusage.acting_role());
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_burn(int, numeric, text, numeric, text, text, text) IS 'Burns credits of a wallet by priority, expiry and number, an entry of the journal each; what is beyond all credit is an entry without one';

-- Give back what was burned: first what is owed, then credits in the reverse of the order they burn in.
CREATE FUNCTION aiusage.owner_unburn(wallet int, amount numeric, used_to numeric) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	c aiusage.wallet_credit;
	left_over numeric := amount;
	part numeric;
BEGIN
	part := least(left_over, greatest(-coalesce((SELECT sum(j.amount) FROM aiusage.wallet_journal AS j
		WHERE j.wallet = owner_unburn.wallet AND j.credit IS NULL), 0), 0));
	left_over := left_over - part;
	IF part > 0 THEN
		INSERT INTO aiusage.wallet_journal (wallet, kind, amount, used_to, role)
		VALUES (owner_unburn.wallet, 'usage', part, owner_unburn.used_to, aiusage.acting_role());
	END IF;
	FOR c IN
		SELECT * FROM aiusage.wallet_credit AS x
		WHERE x.wallet = owner_unburn.wallet AND x.expired_at IS NULL AND x.burned > 0
		ORDER BY x.priority DESC, x.expires_at DESC NULLS FIRST, x.credit DESC FOR UPDATE
	LOOP
		EXIT WHEN left_over <= 0;
		part := least(left_over, c.burned);
		UPDATE aiusage.wallet_credit AS x SET burned = x.burned - part WHERE x.credit = c.credit;
		INSERT INTO aiusage.wallet_journal (wallet, kind, credit, amount, used_to, role)
		VALUES (owner_unburn.wallet, 'usage', c.credit, part, owner_unburn.used_to, aiusage.acting_role());
		left_over := left_over - part;
	END LOOP;
	IF left_over > 0 THEN
		INSERT INTO aiusage.wallet_journal (wallet, kind, amount, used_to, role)
		VALUES (owner_unburn.wallet, 'usage', left_over, owner_unburn.used_to, aiusage.acting_role());
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_unburn(int, numeric, numeric) IS 'Gives back to a wallet what a correction of the ledger took off its spend';

CREATE FUNCTION aiusage.correct_wallet(wallet text, key text, amount numeric, reason text, ticket text, kind text DEFAULT 'correction')
	RETURNS numeric
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.correct_wallet(text, text, numeric, text, text, text) IS 'Adds a refund (money paid back to whoever paid in: negative) or a correction of either sign to a wallet, in its currency, once for a key; returns the balance as posted. What takes credit away is posted at once; a correction that adds credit is requested, and posted when somebody else approves it as a recharge (approve_recharge(); a notice says its number). Credit that is added this way does not expire. Errors: UA404; UA409 the key was used for something else; UA422';

CREATE FUNCTION aiusage.owner_correct_wallet(wallet text, key text, amount numeric, reason text, ticket text, kind text)
	RETURNS numeric
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	w aiusage.wallet;
	known record;
	asked aiusage.recharge;
	number bigint := aiusage.owner_wallet(wallet);
BEGIN
	SELECT * INTO w FROM aiusage.wallet AS x WHERE x.wallet = number;
	IF kind IS NULL OR kind NOT IN ('refund', 'correction') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'the kind must be refund or correction',
			HINT = 'A refund takes unused credit out; a correction mends what was entered wrong.';
	END IF;
	IF amount IS NULL OR amount = 'NaN' OR amount = 0 OR abs(amount) > 1e15 OR scale(trim_scale(amount)) > 12 OR (kind = 'refund' AND amount > 0) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'the amount must not be 0, at most 1e15 either way, with at most 12 decimals',
			DETAIL = 'A refund takes credit away: it is negative.',
			HINT = 'It is what is added to the balance: negative takes away.';
	END IF;
	IF coalesce(btrim(reason), '') = '' OR key IS NULL OR octet_length(key) NOT BETWEEN 1 AND 256 OR octet_length(reason) > 1024 OR octet_length(ticket) > 256 THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'a correction of a wallet needs a key and a reason',
			HINT = 'The key makes it happen once; an auditor reads the reason.';
	END IF;
	IF aiusage.looks_like_secret(key) IS NOT NULL OR aiusage.looks_like_secret(reason) IS NOT NULL OR aiusage.looks_like_secret(ticket) IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422', MESSAGE = 'key, reason or ticket seems to hold a secret',
			HINT = 'No secret may be stored here: name the ticket.';
	END IF;
	-- A key is on the first of the entries that one correction made; they follow each other.
	SELECT j.kind, j.reason, j.ticket, (SELECT sum(x.amount) FROM aiusage.wallet_journal AS x
			WHERE x.wallet = j.wallet AND x.entry >= j.entry AND x.entry < coalesce((SELECT min(y.entry) FROM aiusage.wallet_journal AS y
				WHERE y.wallet = j.wallet AND y.entry > j.entry AND (y.key IS NOT NULL OR y.kind <> j.kind)), 9223372036854775807)) AS amount
	INTO known FROM aiusage.wallet_journal AS j WHERE j.wallet = w.wallet AND j.key = owner_correct_wallet.key;
	IF FOUND THEN
		IF (known.kind, known.reason, known.ticket, known.amount) IS DISTINCT FROM (owner_correct_wallet.kind, owner_correct_wallet.reason,
			nullif(owner_correct_wallet.ticket, ''), owner_correct_wallet.amount) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409', MESSAGE = format('key "%s" was used for another entry of wallet "%s"', left(owner_correct_wallet.key, 64), w.name),
				DETAIL = format('It was a %s of %s %s.', known.kind, trim_scale(known.amount), w.currency),
				HINT = 'Send what you sent then, or use another key.';
		END IF;
	ELSE
		SELECT * INTO asked FROM aiusage.recharge AS r WHERE r.wallet = w.wallet AND r.key = owner_correct_wallet.key;
		IF FOUND AND (asked.kind, asked.reason, asked.ticket, asked.amount) IS DISTINCT FROM ('correction', owner_correct_wallet.reason,
			nullif(owner_correct_wallet.ticket, ''), owner_correct_wallet.amount) THEN
			RAISE EXCEPTION USING ERRCODE = 'UA409', MESSAGE = format('key "%s" was used for another entry of wallet "%s"', left(owner_correct_wallet.key, 64), w.name),
				DETAIL = format('It was a %s of %s %s, which is %s.', asked.kind, trim_scale(asked.amount), w.currency, asked.status),
				HINT = 'Send what you sent then, or use another key.';
		END IF;
	END IF;
	IF known.kind IS NOT NULL OR asked.status <> 'requested' THEN
		NULL;					-- done or decided already
	ELSIF amount > 0 THEN
		-- credit is given by two, however it comes
		IF asked.recharge IS NULL THEN
			INSERT INTO aiusage.recharge AS r (wallet, key, kind, amount, reason, ticket, requested_by)
			VALUES (w.wallet, owner_correct_wallet.key, 'correction', owner_correct_wallet.amount, owner_correct_wallet.reason,
				nullif(owner_correct_wallet.ticket, ''), aiusage.acting_role())
			RETURNING * INTO asked;
		END IF;
		RAISE NOTICE USING MESSAGE = format('the correction waits for approval, as recharge %s', asked.recharge),
			HINT = format('Somebody else approves it with aiusage.approve_recharge(%s).', asked.recharge);
	ELSE
		PERFORM aiusage.owner_burn(w.wallet, -owner_correct_wallet.amount, owner_correct_wallet.kind, NULL, owner_correct_wallet.key,
			owner_correct_wallet.reason, nullif(owner_correct_wallet.ticket, ''));
	END IF;
	PERFORM aiusage.owner_set_wallet_limit(w.wallet);
	RETURN (SELECT sum(j.amount) FROM aiusage.wallet_journal AS j WHERE j.wallet = w.wallet);
END
$$;
COMMENT ON FUNCTION aiusage.owner_correct_wallet(text, text, numeric, text, text, text) IS 'Body of correct_wallet(), for the owner of the books only';

-- What is folded of a wallet's spend since the last posting, then what has expired.
CREATE FUNCTION aiusage.owner_post_wallet(wallet int) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	w aiusage.wallet;
	used numeric;
	folded timestamptz;
	c aiusage.wallet_credit;
	owed numeric;
BEGIN
	LOCK TABLE aiusage.quota IN ROW EXCLUSIVE MODE;
	SELECT * INTO STRICT w FROM aiusage.wallet AS x WHERE x.wallet = owner_post_wallet.wallet FOR UPDATE;
	-- one statement, so one snapshot: what is folded, and when that was
	SELECT coalesce((SELECT sum(u.used) FROM aiusage.quota AS q
			JOIN aiusage.quota_usage AS u ON u.quota = q.quota AND u.subject = aiusage.quota_subject_id(q.quota, q.epoch, q.per)
			WHERE q.quota = w.quota), 0), f.folded_at
	INTO used, folded FROM aiusage.fold_state AS f;
	-- before the first fold after it was made, less is folded than had been spent then
	IF used > w.posted_used OR (used < w.posted_used AND folded > w.created_at) THEN
		IF used > w.posted_used THEN
			PERFORM aiusage.owner_burn(w.wallet, used - w.posted_used, 'usage', used);
		ELSE
			PERFORM aiusage.owner_unburn(w.wallet, w.posted_used - used, used);
		END IF;
		UPDATE aiusage.wallet AS x SET posted_used = used WHERE x.wallet = w.wallet;
	END IF;

	-- Credit that came since pays what is owed.
	owed := -coalesce((SELECT sum(j.amount) FROM aiusage.wallet_journal AS j WHERE j.wallet = w.wallet AND j.credit IS NULL), 0);
	owed := least(owed, (SELECT sum(x.amount - x.burned) FROM aiusage.wallet_credit AS x WHERE x.wallet = w.wallet AND x.expired_at IS NULL));
	IF owed > 0 THEN
		PERFORM aiusage.owner_burn(w.wallet, owed, 'usage', used);
		INSERT INTO aiusage.wallet_journal (wallet, kind, amount, used_to, role) VALUES (w.wallet, 'usage', owed, used, aiusage.acting_role());
	END IF;

	-- What was booked before a credit expired burns it first: so not before that is folded.
	FOR c IN
		SELECT * FROM aiusage.wallet_credit AS x
		WHERE x.wallet = w.wallet AND x.expired_at IS NULL AND x.expires_at <= least(clock_timestamp(), folded) ORDER BY x.credit FOR UPDATE
	LOOP
		UPDATE aiusage.wallet_credit AS x SET expired_at = clock_timestamp() WHERE x.credit = c.credit;
		IF c.burned < c.amount THEN
			INSERT INTO aiusage.wallet_journal (wallet, kind, credit, amount, role)
			VALUES (w.wallet, 'expiry', c.credit, c.burned - c.amount, aiusage.acting_role());
		END IF;
	END LOOP;
	PERFORM aiusage.owner_set_wallet_limit(w.wallet);
END
$$;
COMMENT ON FUNCTION aiusage.owner_post_wallet(int) IS 'Posts to a wallet''s journal what was folded of its spend since, lets credit pay what is owed, and takes off what has expired';

CREATE FUNCTION aiusage.post_wallets() RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.post_wallets() IS 'Brings the journals of all wallets up to what is folded, lets credit expire, and says when one is low (an event, and a request to recharge it); returns how many wallets. maintain() calls it after a fold';

CREATE FUNCTION aiusage.owner_post_wallets() RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	w aiusage.wallet;
	b record;
	n int := 0;
BEGIN
	FOR w IN SELECT * FROM aiusage.wallet AS x WHERE x.status = 'active' ORDER BY x.wallet LOOP
		n := n + 1;
		PERFORM aiusage.owner_post_wallet(w.wallet);
		SELECT s."limit" - s.used AS balance, s.used, s."limit" INTO b FROM aiusage.quota_standing AS s WHERE s.quota = w.quota;
		CONTINUE WHEN w.low_balance IS NULL OR b.balance IS NULL OR b.balance >= w.low_balance
			-- once until it is recharged, or somebody refuses to
			OR EXISTS (SELECT FROM aiusage.recharge AS r WHERE r.wallet = w.wallet AND r.automatic AND r.status = 'requested')
			OR EXISTS (SELECT FROM aiusage.quota_event AS e WHERE e.quota = w.quota AND e.kind = 'low'
				AND e.at > coalesce((SELECT max(j.at) FROM aiusage.wallet_journal AS j WHERE j.wallet = w.wallet AND j.kind <> 'usage' AND j.amount > 0), '-infinity'));
		INSERT INTO aiusage.quota_event (kind, quota, quota_name, used, "limit", detail)
		VALUES ('low', w.quota, w.name, b.used, b."limit", format('balance %s %s, below %s', trim_scale(b.balance), w.currency, w.low_balance));
		IF w.refill_to IS NOT NULL THEN
			INSERT INTO aiusage.recharge (wallet, key, amount, note, automatic, requested_by)
			VALUES (w.wallet, format('automatic %s', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')),
				round(w.refill_to - b.balance, 12), 'the balance is low', true, 'aiusage.maintain()');
		END IF;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION aiusage.owner_post_wallets() IS 'Body of post_wallets(), for the owner of the books only';

CREATE FUNCTION aiusage.owner_verify_wallets(OUT wallet text, OUT problem text) RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH journal AS (
		SELECT w.wallet, coalesce(sum(j.amount), 0) AS balance,
			coalesce(sum(j.amount) FILTER (WHERE j.kind = 'usage'), 0) AS usage,
			coalesce(sum(j.amount) FILTER (WHERE j.kind <> 'usage'), 0) AS credited,
			coalesce(sum(j.amount) FILTER (WHERE j.credit IS NULL), 0) AS owed
		FROM aiusage.wallet AS w LEFT JOIN aiusage.wallet_journal AS j ON j.wallet = w.wallet GROUP BY w.wallet),
	credits AS (
		SELECT c.wallet, sum(CASE WHEN c.expired_at IS NULL THEN c.amount - c.burned ELSE 0 END) AS rest
		FROM aiusage.wallet_credit AS c GROUP BY c.wallet)
	SELECT w.name, p.problem
	FROM aiusage.wallet AS w JOIN journal AS j ON j.wallet = w.wallet
	JOIN aiusage.quota AS q ON q.quota = w.quota
	LEFT JOIN credits AS c ON c.wallet = w.wallet
	CROSS JOIN LATERAL (VALUES
		(j.usage <> w.opening_used - w.posted_used, format('its journal has usage of %s, posted was %s', j.usage, w.opening_used - w.posted_used)),
		(j.balance <> coalesce(c.rest, 0) + j.owed, format('its journal adds up to %s, its credits to %s, owed is %s', j.balance, coalesce(c.rest, 0), j.owed)),
		(q.status = 'active' AND q."limit" <> greatest(w.opening_used + j.credited, 0), format('its limit is %s, its journal says %s', q."limit", w.opening_used + j.credited))
	) AS p (wrong, problem)
	WHERE p.wrong
$$;
COMMENT ON FUNCTION aiusage.owner_verify_wallets() IS 'Wallets whose journal, credits and limit do not agree, one row a problem; for verify()';
