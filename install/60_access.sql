/*
 * Access: what each kind of role needs, granting it, and the filters of the
 * views for people.
 *
 * The books' owner grants.  grant_access() is executable by that owner and by
 * roles that were granted kind admin; it runs its body as the owner, who has
 * every privilege on the books with grant option (init() sees to that).
 */

CREATE FUNCTION aiusage.sees_everything() RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_sees_everything';
COMMENT ON FUNCTION aiusage.sees_everything() IS 'Does the current user read the views for people unfiltered: the books'' owner, a superuser, a member of pg_read_all_data, or a role with an analyst, admin or approver grant without a scope';

CREATE FUNCTION aiusage.visible_teams() RETURNS text[]
	LANGUAGE c STABLE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_visible_teams';
COMMENT ON FUNCTION aiusage.visible_teams() IS 'Teams whose usage and cost the current user''s grants name; never NULL';

CREATE FUNCTION aiusage.visible_cost_centers() RETURNS text[]
	LANGUAGE c STABLE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_visible_cost_centers';
COMMENT ON FUNCTION aiusage.visible_cost_centers() IS 'Cost centers whose usage and cost the current user''s grants name; never NULL';

CREATE FUNCTION aiusage.visible_customers() RETURNS text[]
	LANGUAGE c STABLE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_visible_customers';
COMMENT ON FUNCTION aiusage.visible_customers() IS 'Customers whose usage and cost the current user''s grants name; grants of kind customer do not count, since a customer never sees cost; never NULL';

CREATE FUNCTION aiusage.visible_customer_charges() RETURNS text[]
	LANGUAGE c STABLE PARALLEL RESTRICTED
	AS 'MODULE_PATHNAME', 'aiu_visible_customer_charges';
COMMENT ON FUNCTION aiusage.visible_customer_charges() IS 'Customers whose usage and charge the current user''s grants name, grants of kind customer included; never NULL';

-- What a kind needs -------------------------------------------------------

CREATE FUNCTION aiusage.gateway_columns() RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN ARRAY['id', 'occurred_at', 'provider_cost', 'hold_id', 'latency_ms', 'ttft_ms', 'accepted', 'status',
		'stream_state', 'attempt', 'retries', 'status_code', 'streamed', 'cache_hit', 'spent', 'api_key', 'provider', 'model',
		'usage', 'request_id', 'trace_id', 'operation_id', 'job_id', 'credential_label', 'user_id', 'customer', 'workflow',
		'origin', 'provider_account', 'provider_request_id', 'requested_model', 'endpoint', 'requested_service_tier',
		'service_tier', 'region', 'route', 'fallback_from', 'error_class', 'tags'];
COMMENT ON FUNCTION aiusage.gateway_columns() IS 'Columns of aiusage.usage_record that a gateway may insert; aiusage writes the others';

/*
 * Functions are named without arguments: all of that name.  What does not
 * exist (yet) is passed over.  The functions that a view calls come with the
 * view.  unscoped: only to a role whose grant has no scope.
 */
CREATE FUNCTION aiusage.access_object(OUT kind text, OUT object text, OUT privileges text, OUT unscoped boolean)
	RETURNS SETOF record
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH privilege (kinds, objects, privileges, unscoped) AS (VALUES
		-- what gateways call; their columns of the ledger are granted apart
		('gateway importer', 'ingest ingest_batch capture_start captured uuid_v7 event_id id_floor admit release extend_hold',
			'EXECUTE', false),

		-- what people read: every one of these views filters by the reader's grants
		('analyst admin approver member', 'usage_log team_usage cost_center_usage invoice_period_usage key_usage model_usage
			customer_usage workflow_usage project_usage environment_usage provider_usage endpoint_usage status_usage
			tag_usage user_usage declared_tag usage_hourly usage_daily line_items customer_charges unpriced_usage
			provider_cost_differences provider_cost_daily', 'SELECT', false),
		('customer', 'customer_charges', 'SELECT', false),
		('analyst admin approver member customer', 'sees_everything visible_teams visible_cost_centers visible_customers
			visible_customer_charges period_of billed_period correction_period period_exists period_label period_starts_on period_ends_on period_starts_at
			period_ends_at period_status id_floor event_id uuid_v7', 'EXECUTE', false),
		-- reports
		('analyst admin approver member', 'report_day report_source team_month team_month_charges team_month_models team_month_workflows
			team_month_quota_events unmatched_spend key_week', 'SELECT', false),
		('analyst admin approver member', 'report_span key_review key_model_shift top_movers usage_by_day', 'EXECUTE', false),
		('analyst admin approver member', 'bucket_base bucket_calendar bucket_months bucket_weeks bucket_days bucket_quarters bucket_owners bucket_named bucket_people
			bucket_rows', 'SELECT', false),
		('analyst admin approver member', 'latency_source latency_daily latency_histogram', 'SELECT', false),
		('analyst admin approver member', 'latency', 'EXECUTE', false),
		('analyst admin approver member', 'usage_buckets usage_growth usage_page costs_page bucket_dimension bucket_query bucket_check bucket_at bucket_bounds
			refuse_divided_quarters bucket_pieces bucket_from bucket_sums bucket_page span_before', 'EXECUTE', false),
		-- reports in another currency
		('analyst admin approver member', 'fx_rate', 'SELECT', false),
		('analyst admin approver member', 'fx_rate_at usage_in_currency', 'EXECUTE', false),
		-- of books, those of their scope, the default and the list book
		('analyst admin approver member', 'price_usage explain_price explain_price_under explain_rules price_usage_known_at
			explain_price_known_at explain_row explain_booked_row', 'EXECUTE', false),

		-- the configuration as it is
		('analyst admin approver', 'team cost_center customer api_key key_assignment key_credential billing_calendar
			invoice_period price_book_assignment price_book price_version price_provider price_model price_rule price price_override price_import_issue correction
			rebuild_job rebuild_progress reprice_job reprice_progress reprice_report tag_declaration user_level',
			'SELECT', true),
		('analyst admin approver', 'explain_owner key_record assigned_book validate_prices diff_prices price_rules_of price_holes price_rule_applies
			price_rule_names price_previous_version export_prices prices_checksum verify storage_version', 'EXECUTE', true),

		-- calendars, closing, statements
		('analyst admin approver member', 'statements statement_lines statement_units', 'SELECT', false),
		('analyst admin approver member customer', 'customer_statements customer_statement_units', 'SELECT', false),
		('analyst admin approver', 'billing_boundary invoice_statement invoice_statement_line invoice_statement_unit invoice
			contract contract_rate contract_tier contract_run contract_run_line', 'SELECT', true),
		('analyst admin approver', 'period_findings statement_checksum contract_record contract_lines', 'EXECUTE', true),
		('admin', 'calendar_number add_billing_period start_closing record_invoice record_period_invoice reverse_statement
			put_contract contract_record book_contracts', 'EXECUTE', true),
		('admin', 'contract contract_rate contract_tier', 'INSERT UPDATE DELETE', true),

		-- limits: anybody who sees one may ask for more; what is decided, somebody else decides
		('analyst admin approver member', 'quota_state quota_forecast', 'SELECT', false),
		('analyst admin approver member', 'quota_held', 'EXECUTE', false),
		('analyst admin approver', 'hold', 'SELECT', true),
		('analyst admin approver', 'quota_holds quota_counters quota_memory hold_standing', 'EXECUTE', true),
		('admin', 'prune_holds release', 'EXECUTE', true),

		-- prepaid
		('analyst admin approver member', 'wallet_balance', 'SELECT', false),
		('analyst admin approver', 'wallet recharge wallet_credit wallet_journal', 'SELECT', true),
		('admin approver', 'request_recharge approve_recharge refuse_recharge', 'EXECUTE', true),
		('admin', 'put_wallet close_wallet correct_wallet post_wallets', 'EXECUTE', true),
		('analyst admin approver member', 'request_override withdraw_request', 'EXECUTE', false),
		('admin approver', 'approve_request refuse_request end_override', 'EXECUTE', true),
		('analyst admin approver', 'quota quota_override quota_request quota_event quota_usage quota_subject', 'SELECT', true),
		('analyst admin approver', 'quota_record', 'EXECUTE', true),
		('admin', 'put_quota retire_quota rebuild_quota requalify_quotas prune_quotas set_stop stop_team start_team stop_cost_center
			start_cost_center stop_customer start_customer', 'EXECUTE', true),

		-- administration
		('admin', 'setting access_grant audit_log erasure class_erasure', 'SELECT', true),
		('admin', 'setting', 'UPDATE', true),
		('admin', 'team cost_center customer api_key key_credential', 'INSERT UPDATE DELETE', true),
		('admin', 'key_assignment price_book_assignment', 'INSERT UPDATE', true),
		('admin', 'fx_rate', 'INSERT', true),
		('admin', 'price_book price_version price_provider price_model price_rule price price_override price_import_issue', 'INSERT UPDATE DELETE', true),
		('admin', 'looks_like_secret acting_role put_team put_cost_center put_customer put_key cancel_move
			put_fx_rate assign_book set_book set_key_book assigned_book rotate_key
			set_key_status disable_key enable_key set_billing_calendar ensure_period close_period grant_access revoke_access
			draft_prices publish_prices withdraw_prices import_prices load_prices load_overrides prices_checksum export_prices default_catalogue extract_usage
			adjust reattribute record_outcome declare_tag withdraw_tag cap_tags enable_user_usage disable_user_usage reprice price_unpriced start_reprice reprice_step run_reprice cancel_reprice refresh refresh_step rebuild_rollups start_rebuild rebuild_step cancel_rebuild verify maintain make_partitions empty_default enforce_retention
			put_retention_class drop_retention_class erase_user request_erasure erase_identifiers user_digest summarize
			record_step record_verify send_alerts flush_denials prune_runs schedule unschedule', 'EXECUTE', true),
		('analyst admin approver', 'maintenance storage_step retention_class key_retention retention_status ledger_partition sealed_total', 'SELECT', true),
		('analyst admin approver', 'status books_status books_pieces changed_triggers maintained_at piece_is_applied module_version storage_version system_identifier schedule_runs
			cron_database', 'EXECUTE', true)
	)
	SELECT k.kind, o.object, p.privileges, p.unscoped
	FROM privilege AS p,
		string_to_table(p.kinds, ' ') AS k (kind),
		regexp_split_to_table(p.objects, '\s+') AS o (object)
$$;
COMMENT ON FUNCTION aiusage.access_object() IS 'What aiusage.grant_access() gives to each kind of role: relations and functions of schema aiusage, and the privileges on them';

-- The calls that give a role what its grants say, from nothing: GRANTs of what
-- exists now.  Also run by init(), since a release may bring new objects.
CREATE FUNCTION aiusage.owner_apply_access(role name, revoke_kind text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	schema oid := 'aiusage'::regnamespace;
	held boolean;
	o record;
	columns text;
BEGIN
	IF owner_apply_access.role = current_user OR
		NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = owner_apply_access.role)
	THEN
		RETURN;		-- the owner of the books has everything; a restored cluster may lack roles
	END IF;
	held := EXISTS (SELECT FROM aiusage.access_grant AS g WHERE g.role = owner_apply_access.role);

	-- Away with what a kind had given; what another kind gives too comes back below.
	IF revoke_kind IS NOT NULL THEN
		FOR o IN
			SELECT 'TABLE' AS what, c.oid::regclass::text AS object
			FROM pg_class AS c
			WHERE c.relnamespace = schema AND c.relkind IN ('r', 'p', 'v', 'm') AND
				(c.relname IN (SELECT a.object FROM aiusage.access_object() AS a WHERE a.kind = revoke_kind) OR
				 (c.relname = 'usage_record' AND revoke_kind IN ('gateway', 'importer')))
			UNION ALL
			SELECT 'ROUTINE', f.oid::regprocedure::text
			FROM pg_proc AS f
			WHERE f.pronamespace = schema AND f.prokind IN ('f', 'p') AND
				EXISTS (SELECT FROM aclexplode(f.proacl) AS x JOIN pg_roles AS r ON r.oid = x.grantee
						WHERE r.rolname = owner_apply_access.role)
		LOOP
			EXECUTE format('REVOKE ALL ON %s %s FROM %I', o.what, o.object, owner_apply_access.role);
		END LOOP;
	END IF;
	IF NOT held THEN
		EXECUTE format('REVOKE USAGE ON SCHEMA aiusage FROM %I', owner_apply_access.role);
		RETURN;
	END IF;

	EXECUTE format('GRANT USAGE ON SCHEMA aiusage TO %I', owner_apply_access.role);
	FOR o IN
		WITH RECURSIVE given (object, privileges) AS (
			SELECT a.object, a.privileges
			FROM aiusage.access_grant AS g
			JOIN aiusage.access_object() AS a ON a.kind = g.kind
			WHERE g.role = owner_apply_access.role
				AND (NOT a.unscoped OR (g.teams IS NULL AND g.cost_centers IS NULL AND g.customers IS NULL))
		), viewed (relation) AS (
			-- the views, and the views that those are made of
			SELECT c.oid
			FROM given AS v JOIN pg_class AS c ON c.relname = v.object AND c.relnamespace = schema AND c.relkind = 'v'
			UNION
			SELECT c.oid
			FROM viewed AS v
			JOIN pg_rewrite AS w ON w.ev_class = v.relation
			JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
			JOIN pg_class AS c ON c.oid = d.refobjid AND c.relkind = 'v' AND c.relnamespace = schema
		)
		SELECT DISTINCT 'TABLE' AS what, c.oid::regclass::text AS object, replace(v.privileges, ' ', ', ') AS privileges
		FROM given AS v
		JOIN pg_class AS c ON c.relname = v.object AND c.relnamespace = schema AND c.relkind IN ('r', 'p', 'v', 'm')
		WHERE v.privileges <> 'EXECUTE'
		UNION
		SELECT 'ROUTINE', f.oid::regprocedure::text, 'EXECUTE'
		FROM given AS v
		JOIN pg_proc AS f ON f.proname = v.object AND f.pronamespace = schema AND f.prokind IN ('f', 'p')
		WHERE v.privileges = 'EXECUTE'
		UNION
		-- the functions that the views call
		SELECT 'ROUTINE', f.oid::regprocedure::text, 'EXECUTE'
		FROM viewed AS v
		JOIN pg_rewrite AS w ON w.ev_class = v.relation
		JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_proc'::regclass
		JOIN pg_proc AS f ON f.oid = d.refobjid AND f.pronamespace = schema AND f.prokind = 'f'
	LOOP
		IF o.what = 'ROUTINE' AND NOT has_function_privilege(o.object, 'EXECUTE WITH GRANT OPTION') THEN
			RAISE EXCEPTION USING ERRCODE = 'UA403',
				MESSAGE = format('the owner of the books may not grant EXECUTE on %s', o.object),
				DETAIL = format('The books are owned by role "%s".', current_user),
				HINT = 'Run SELECT aiusage.init(); again as a superuser.';
		END IF;
		EXECUTE format('GRANT %s ON %s %s TO %I', o.privileges, o.what, o.object, owner_apply_access.role);
	END LOOP;

	IF EXISTS (SELECT FROM aiusage.access_grant AS g WHERE g.role = owner_apply_access.role AND g.kind IN ('gateway', 'importer')) THEN
		columns := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
			FROM pg_attribute AS a
			WHERE a.attrelid = 'aiusage.usage_record'::regclass AND NOT a.attisdropped
				AND a.attname::text = ANY (aiusage.gateway_columns()));
		EXECUTE format('GRANT INSERT (%s), SELECT (id) ON aiusage.usage_record TO %I', columns, owner_apply_access.role);
	END IF;
END
$$;
COMMENT ON FUNCTION aiusage.owner_apply_access(name, text) IS 'GRANTs a role what its rows in aiusage.access_grant say, after taking away what revoke_kind had given; for the owner of the books only. Errors: UA403 when the owner lacks grant options';

CREATE FUNCTION aiusage.owner_apply_access() RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT aiusage.owner_apply_access(r.role) FROM (SELECT DISTINCT g.role FROM aiusage.access_grant AS g) AS r;
$$;
COMMENT ON FUNCTION aiusage.owner_apply_access() IS 'GRANTs every role in aiusage.access_grant what its rows say, of the objects that exist now; for the owner of the books only';

-- Granting ------------------------------------------------------------------

CREATE FUNCTION aiusage.grant_access(role regrole, kind text, scope jsonb DEFAULT NULL) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.grant_access(regrole, text, jsonb) IS 'Gives a role what its kind needs: gateway, importer (a gateway whose rows are history: limits do not refuse them), analyst, admin, approver, member or customer. scope, an object of lists under teams, cost_centers or customers, limits what the role reads; analysts and approvers may have one, members and customers must, gateways, importers and admins have none. Granting a kind again replaces its scope. False when nothing changed. Errors: UA422 for an unknown kind or a bad scope, UA404 for something in the scope that does not exist';

CREATE FUNCTION aiusage.owner_grant_access(role regrole, kind text, scope jsonb) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	grantee name := (SELECT r.rolname FROM pg_roles AS r WHERE r.oid = owner_grant_access.role);
	r jsonb := nullif(owner_grant_access.scope, 'null');
	new_teams text[];
	new_cost_centers text[];
	new_customers text[];
	unknown text;
	changed bigint;
BEGIN
	IF grantee IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'access can be granted to a role only',
			HINT = 'Name an existing role; PUBLIC is none.';
	END IF;
	IF grantee = current_user THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('role "%s" owns the books and needs no access', grantee),
			HINT = 'Grant to the roles that people and gateways log in as; the owner is nobody''s login.';
	END IF;
	IF owner_grant_access.kind IS NULL OR
		owner_grant_access.kind NOT IN ('gateway', 'importer', 'analyst', 'admin', 'approver', 'member', 'customer')
	THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('kind of access "%s" is not known', left(owner_grant_access.kind, 64)),
			HINT = 'Kinds are gateway, importer, analyst, admin, approver, member and customer.';
	END IF;
	IF r IS NOT NULL THEN
		IF jsonb_typeof(r) <> 'object' THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = 'the scope of an access must be a JSON object',
				HINT = 'For example {"teams": ["payments"]}.';
		END IF;
		PERFORM aiusage.record_fields_known(r, ARRAY['teams', 'cost_centers', 'customers'], 'the scope of an access');
		new_teams := aiusage.scope_list(r, 'teams');
		new_cost_centers := aiusage.scope_list(r, 'cost_centers');
		new_customers := aiusage.scope_list(r, 'customers');
		IF new_teams IS NULL AND new_cost_centers IS NULL AND new_customers IS NULL THEN
			RAISE EXCEPTION USING ERRCODE = 'UA422',
				MESSAGE = 'the scope of an access names nothing',
				HINT = 'Leave the scope out, or name teams, cost_centers or customers.';
		END IF;
	END IF;
	IF r IS NOT NULL AND owner_grant_access.kind IN ('gateway', 'importer', 'admin') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('access of kind %s has no scope', owner_grant_access.kind),
			DETAIL = 'A scope limits what a role reads of usage.',
			HINT = 'Leave the scope out; members and customers are the kinds that need one.';
	END IF;
	IF r IS NULL AND owner_grant_access.kind IN ('member', 'customer') THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('access of kind %s needs a scope', owner_grant_access.kind),
			HINT = 'For example {"teams": ["payments"]}, or for a customer {"customers": ["acme"]}.';
	END IF;
	IF owner_grant_access.kind = 'customer' AND (new_customers IS NULL OR new_teams IS NOT NULL OR new_cost_centers IS NOT NULL) THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = 'access of kind customer has a scope of customers only',
			HINT = 'For example {"customers": ["acme"]}.';
	END IF;
	unknown := (
		SELECT format('%s "%s"', n.what, left(n.name, 64))
		FROM (SELECT 1 AS ord, 'team' AS what, x AS name FROM unnest(new_teams) AS x
				WHERE x NOT IN (SELECT t.team FROM aiusage.team AS t)
			UNION ALL SELECT 2, 'cost center', x FROM unnest(new_cost_centers) AS x
				WHERE x NOT IN (SELECT c.cost_center FROM aiusage.cost_center AS c)
			UNION ALL SELECT 3, 'customer', x FROM unnest(new_customers) AS x
				WHERE x NOT IN (SELECT c.customer FROM aiusage.customer AS c)) AS n
		ORDER BY n.ord, n.name LIMIT 1);
	IF unknown IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'UA404',
			MESSAGE = format('%s does not exist', unknown),
			HINT = 'Enter it first, with aiusage.put_team(), put_cost_center() or put_customer().';
	END IF;

	INSERT INTO aiusage.access_grant AS g (role, kind, teams, cost_centers, customers, granted_by)
	VALUES (grantee, owner_grant_access.kind, new_teams, new_cost_centers, new_customers, aiusage.acting_role())
	ON CONFLICT ON CONSTRAINT access_grant_pkey DO UPDATE
		SET teams = excluded.teams, cost_centers = excluded.cost_centers, customers = excluded.customers,
			granted_by = excluded.granted_by, granted_at = excluded.granted_at
		WHERE (g.teams, g.cost_centers, g.customers) IS DISTINCT FROM
			(excluded.teams, excluded.cost_centers, excluded.customers);
	GET DIAGNOSTICS changed = ROW_COUNT;
	-- A narrower scope takes privileges away too.
	PERFORM aiusage.owner_apply_access(grantee, CASE WHEN changed > 0 THEN owner_grant_access.kind END);
	RETURN changed > 0;
END
$$;
COMMENT ON FUNCTION aiusage.owner_grant_access(regrole, text, jsonb) IS 'Body of grant_access(), for the owner of the books only';

CREATE FUNCTION aiusage.scope_list(scope jsonb, field text) RETURNS text[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	list jsonb := nullif(scope_list.scope -> scope_list.field, 'null');
BEGIN
	IF list IS NULL THEN
		RETURN NULL;
	END IF;
	IF jsonb_typeof(list) <> 'array' OR list = '[]' OR
		EXISTS (SELECT FROM jsonb_array_elements(CASE WHEN jsonb_typeof(list) = 'array' THEN list END) AS e
				WHERE jsonb_typeof(e) <> 'string')
	THEN
		RAISE EXCEPTION USING ERRCODE = 'UA422',
			MESSAGE = format('field "%s" of the scope of an access must be a list of ids', scope_list.field),
			HINT = 'For example {"teams": ["payments"]}.';
	END IF;
	RETURN ARRAY(SELECT DISTINCT e FROM jsonb_array_elements_text(list) AS e ORDER BY e);
END
$$;
COMMENT ON FUNCTION aiusage.scope_list(jsonb, text) IS 'A list in the scope of an access, in order and without repeats; NULL when absent. Errors: UA422';

CREATE FUNCTION aiusage.revoke_access(role regrole, kind text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'aiu_call_as_owner';
COMMENT ON FUNCTION aiusage.revoke_access(regrole, text) IS 'Takes from a role what its kind gave, less what its other kinds give too. False when it had no such access';

CREATE FUNCTION aiusage.owner_revoke_access(role regrole, kind text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	grantee name := (SELECT r.rolname FROM pg_roles AS r WHERE r.oid = owner_revoke_access.role);
BEGIN
	DELETE FROM aiusage.access_grant AS g WHERE g.role = grantee AND g.kind = owner_revoke_access.kind;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM aiusage.owner_apply_access(grantee, owner_revoke_access.kind);
	RETURN true;
END
$$;
COMMENT ON FUNCTION aiusage.owner_revoke_access(regrole, text) IS 'Body of revoke_access(), for the owner of the books only';
