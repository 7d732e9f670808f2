/*
 * Triggers of the configuration tables of ownership, periods, access, limits and rollups:
 *   a_check_*    refuse what must not be stored, before anything else
 *   b_guard_*    keep what is used from being changed
 *   audit_change every change, to aiusage.audit_log
 *   invalidate_caches  what sessions remember (also for replicated changes)
 */

DO $do$
DECLARE
	t record;
BEGIN
	FOR t IN
		SELECT * FROM (VALUES
			('team', 'keys', NULL),
			('cost_center', 'keys', NULL),
			('customer', 'keys', NULL),
			('api_key', 'keys', NULL),
			('key_assignment', 'keys', 'guard_assignment'),
			('key_credential', 'keys', NULL),
			('price_book_assignment', 'keys', 'guard_book_assignment'),
			('billing_calendar', 'periods', 'guard_calendar'),
			('billing_boundary', 'periods', 'guard_boundary'),
			('invoice_period', 'periods', 'guard_period'),
			('fx_rate', NULL, 'guard_fx_rate'),
			('tag_declaration', NULL, 'guard_tag_declaration'),
			('user_level', NULL, 'guard_user_level'),
			('access_grant', 'quotas', NULL),
			('quota', 'quotas', 'guard_quota'),
			('quota_override', 'quotas', 'guard_quota_override'),
			('quota_request', NULL, 'guard_quota_request'),
			('wallet', NULL, 'guard_wallet_row'),
			('recharge', NULL, 'guard_wallet_row')
		) AS v (relation, cache, guard)
	LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS a_check_labels ON aiusage.%I', t.relation);
		EXECUTE format('CREATE TRIGGER a_check_labels BEFORE INSERT OR UPDATE ON aiusage.%I '
			'FOR EACH ROW EXECUTE FUNCTION aiusage.check_labels()', t.relation);

		IF t.guard IS NOT NULL THEN
			EXECUTE format('DROP TRIGGER IF EXISTS b_guard_rows ON aiusage.%I', t.relation);
			EXECUTE format('CREATE TRIGGER b_guard_rows BEFORE %s UPDATE OR DELETE ON aiusage.%I '
				'FOR EACH ROW EXECUTE FUNCTION aiusage.%I()',
				CASE WHEN t.guard IN ('guard_calendar', 'guard_boundary', 'guard_period', 'guard_tag_declaration') THEN 'INSERT OR' END, t.relation, t.guard);
			EXECUTE format('DROP TRIGGER IF EXISTS b_guard_truncate ON aiusage.%I', t.relation);
			EXECUTE format('CREATE TRIGGER b_guard_truncate BEFORE TRUNCATE ON aiusage.%I '
				'FOR EACH STATEMENT EXECUTE FUNCTION aiusage.%I()', t.relation, t.guard);
		END IF;

		EXECUTE format('DROP TRIGGER IF EXISTS audit_change ON aiusage.%I', t.relation);
		EXECUTE format('CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON aiusage.%I '
			'FOR EACH ROW EXECUTE FUNCTION aiusage.audit_change()', t.relation);

		IF t.cache IS NOT NULL THEN
			EXECUTE format('DROP TRIGGER IF EXISTS invalidate_caches ON aiusage.%I', t.relation);
			EXECUTE format('CREATE TRIGGER invalidate_caches AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON aiusage.%I '
				'FOR EACH STATEMENT EXECUTE FUNCTION aiusage.invalidate_caches(%L)', t.relation, t.cache);
			EXECUTE format('ALTER TABLE aiusage.%I ENABLE ALWAYS TRIGGER invalidate_caches', t.relation);
		END IF;
	END LOOP;
END
$do$;

-- Entries of the audit log are only added, by audit_change().
DROP TRIGGER IF EXISTS b_guard_rows ON aiusage.audit_log;
CREATE TRIGGER b_guard_rows BEFORE UPDATE OR DELETE ON aiusage.audit_log
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_audit_log();
DROP TRIGGER IF EXISTS b_guard_truncate ON aiusage.audit_log;
CREATE TRIGGER b_guard_truncate BEFORE TRUNCATE ON aiusage.audit_log
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_audit_log();

-- What a wallet's balance is made of: only ever added to, so the audit log has nothing to add.
DROP TRIGGER IF EXISTS b_guard_rows ON aiusage.wallet_credit;
CREATE TRIGGER b_guard_rows BEFORE UPDATE OR DELETE ON aiusage.wallet_credit
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_wallet_row();
DROP TRIGGER IF EXISTS b_guard_truncate ON aiusage.wallet_credit;
CREATE TRIGGER b_guard_truncate BEFORE TRUNCATE ON aiusage.wallet_credit
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_wallet_row();
DROP TRIGGER IF EXISTS b_guard_rows ON aiusage.wallet_journal;
CREATE TRIGGER b_guard_rows BEFORE UPDATE OR DELETE ON aiusage.wallet_journal
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_wallet_row();
DROP TRIGGER IF EXISTS b_guard_truncate ON aiusage.wallet_journal;
CREATE TRIGGER b_guard_truncate BEFORE TRUNCATE ON aiusage.wallet_journal
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_wallet_row();

DROP TRIGGER IF EXISTS b_guard_rows ON aiusage.quota_event;
CREATE TRIGGER b_guard_rows BEFORE UPDATE OR DELETE ON aiusage.quota_event
	FOR EACH ROW EXECUTE FUNCTION aiusage.guard_quota_event();
DROP TRIGGER IF EXISTS b_guard_truncate ON aiusage.quota_event;
CREATE TRIGGER b_guard_truncate BEFORE TRUNCATE ON aiusage.quota_event
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.guard_quota_event();

-- After invalidate_caches, by their names: what they do looks at the new state.
DROP TRIGGER IF EXISTS z_follow_class_insert ON aiusage.api_key;
CREATE TRIGGER z_follow_class_insert AFTER INSERT ON aiusage.api_key REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.follow_class('key_class', 'class', 'api_key');
DROP TRIGGER IF EXISTS z_follow_class_update ON aiusage.api_key;
CREATE TRIGGER z_follow_class_update AFTER UPDATE ON aiusage.api_key REFERENCING OLD TABLE AS before NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.follow_class('key_class', 'class', 'api_key');
DROP TRIGGER IF EXISTS z_follow_class_insert ON aiusage.customer;
CREATE TRIGGER z_follow_class_insert AFTER INSERT ON aiusage.customer REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.follow_class('plan_tier', 'plan_tier', 'customer');
DROP TRIGGER IF EXISTS z_follow_class_update ON aiusage.customer;
CREATE TRIGGER z_follow_class_update AFTER UPDATE ON aiusage.customer REFERENCING OLD TABLE AS before NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION aiusage.follow_class('plan_tier', 'plan_tier', 'customer');

DROP TRIGGER IF EXISTS follow_time_zone ON aiusage.setting;
CREATE TRIGGER follow_time_zone AFTER UPDATE ON aiusage.setting
	FOR EACH ROW WHEN (NEW.name = 'time_zone') EXECUTE FUNCTION aiusage.follow_time_zone();
