/*
 * Limits.  A counter is what the booked rows of one (quota, subject, window)
 * add up to: quota_usage has what is folded, the ledger's tail the rest, and
 * shared memory a copy of the sum that inserts are checked against.
 *
 * What a limit counts never changes while it is active: who is in its scope,
 * by what it is kept apart, what is measured, in which windows.  How much it
 * allows, and what happens then, may.
 */

CREATE TABLE aiusage.quota (
	quota int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 256),
	status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'retired')),
	api_key text CHECK (octet_length(api_key) BETWEEN 1 AND 256),
	key_class text CHECK (octet_length(key_class) BETWEEN 1 AND 256),
	team text CHECK (octet_length(team) BETWEEN 1 AND 256),
	cost_center text CHECK (octet_length(cost_center) BETWEEN 1 AND 256),
	project text CHECK (octet_length(project) BETWEEN 1 AND 256),
	customer text CHECK (octet_length(customer) BETWEEN 1 AND 256),
	plan_tier text CHECK (octet_length(plan_tier) BETWEEN 1 AND 256),
	user_id text CHECK (octet_length(user_id) BETWEEN 1 AND 256),
	environment text CHECK (octet_length(environment) BETWEEN 1 AND 256),
	workflow text CHECK (octet_length(workflow) BETWEEN 1 AND 256),
	job_id text CHECK (octet_length(job_id) BETWEEN 1 AND 256),
	provider text CHECK (octet_length(provider) BETWEEN 1 AND 256),
	model text CHECK (octet_length(model) BETWEEN 1 AND 256),
	endpoint text CHECK (octet_length(endpoint) BETWEEN 1 AND 256),
	tag text CHECK (octet_length(tag) BETWEEN 1 AND 256),
	tag_value text CHECK (octet_length(tag_value) BETWEEN 1 AND 256),
	per text[] NOT NULL DEFAULT '{}' CHECK (per <@ ARRAY['api_key', 'key_class', 'team', 'cost_center', 'project', 'customer',
		'plan_tier', 'user_id', 'environment', 'workflow', 'job_id', 'provider', 'model', 'endpoint', 'tag']
		AND array_position(per, NULL) IS NULL),
	metric text NOT NULL CHECK (metric IN ('spend', 'requests', 'tokens', 'unit', 'errors', 'concurrency')),
	unit text CHECK (unit ~ '^[a-z][a-z0-9_]*$' AND octet_length(unit) <= 63),
	currency text CHECK (currency ~ '^[A-Z]{3}$'),
	"limit" numeric NOT NULL CHECK ("limit" BETWEEN 0 AND 1e24 AND scale("limit") <= 12),
	"window" text NOT NULL CHECK ("window" IN ('minute', 'hour', 'day', 'week', 'month', 'interval', 'invoice_period', 'total')),
	window_length interval,
	sliding boolean NOT NULL DEFAULT false,
	time_zone text NOT NULL,
	thresholds int[] NOT NULL DEFAULT '{}' CHECK (cardinality(thresholds) <= 8 AND 1 <= ALL (thresholds) AND 1000 >= ALL (thresholds)
		AND array_position(thresholds, NULL) IS NULL),
	action text NOT NULL DEFAULT 'reject' CHECK (action IN ('reject', 'throttle', 'degrade', 'reroute', 'approve', 'flag')),
	degrade_to text CHECK (octet_length(degrade_to) BETWEEN 1 AND 256),
	reroute_to text CHECK (octet_length(reroute_to) BETWEEN 1 AND 256),
	unpriced text NOT NULL DEFAULT 'reject' CHECK (unpriced IN ('reject', 'allow')),
	exempt_free boolean NOT NULL DEFAULT true,
	notify text CHECK (octet_length(notify) BETWEEN 1 AND 256),
	note text CHECK (octet_length(note) BETWEEN 1 AND 256),
	replaces int REFERENCES aiusage.quota (quota),
	epoch int NOT NULL DEFAULT 1 CHECK (epoch > 0),
	rebuild_reason text CHECK (octet_length(rebuild_reason) BETWEEN 1 AND 256),
	published_at timestamptz,
	published_by text,
	published_boundary bigint,
	pruned_to timestamptz,
	retired_at timestamptz,
	retired_by text,
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL DEFAULT current_user,
	CHECK ((metric = 'unit') = (unit IS NOT NULL)),
	CHECK ((metric = 'spend') = (currency IS NOT NULL)),
	CHECK (("window" = 'interval') = (window_length IS NOT NULL)),
	CHECK ((action = 'degrade') = (degrade_to IS NOT NULL)),
	CHECK ((action = 'reroute') = (reroute_to IS NOT NULL)),
	CHECK (tag_value IS NULL OR tag IS NOT NULL),
	CHECK ((status = 'draft') = (published_at IS NULL)),
	CHECK ((status = 'retired') = (retired_at IS NOT NULL))
);
CREATE UNIQUE INDEX quota_name ON aiusage.quota (name) WHERE status <> 'retired';

COMMENT ON TABLE aiusage.quota IS 'Limits. aiusage.put_quota() makes, changes and publishes them, aiusage.retire_quota() ends them; nothing else writes here';
COMMENT ON COLUMN aiusage.quota.quota IS 'Number of the limit';
COMMENT ON COLUMN aiusage.quota.name IS 'Its name, unique among those that are not retired; what messages and events say';
COMMENT ON COLUMN aiusage.quota.status IS 'draft: counts nothing yet; active: counts and acts; retired: no more';
COMMENT ON COLUMN aiusage.quota.api_key IS 'Scope: usage of this key; NULL: of any, also of no';
COMMENT ON COLUMN aiusage.quota.key_class IS 'Scope: usage of keys that are of this class today';
COMMENT ON COLUMN aiusage.quota.team IS 'Scope: usage of this team, as the row''s assignment says';
COMMENT ON COLUMN aiusage.quota.cost_center IS 'Scope: usage of this cost center, as the row''s assignment says';
COMMENT ON COLUMN aiusage.quota.project IS 'Scope: usage of this project, as the row''s assignment says';
COMMENT ON COLUMN aiusage.quota.customer IS 'Scope: usage for this customer: the row''s own, else the assignment''s';
COMMENT ON COLUMN aiusage.quota.plan_tier IS 'Scope: usage for customers that are of this plan tier today';
COMMENT ON COLUMN aiusage.quota.user_id IS 'Scope: usage of this user';
COMMENT ON COLUMN aiusage.quota.environment IS 'Scope: usage of this environment, as the row''s assignment says';
COMMENT ON COLUMN aiusage.quota.workflow IS 'Scope: usage of this workflow: the row''s own, else the assignment''s';
COMMENT ON COLUMN aiusage.quota.job_id IS 'Scope: usage of this job';
COMMENT ON COLUMN aiusage.quota.provider IS 'Scope: usage of this provider, whatever the case of ASCII letters; with a trailing * every provider that begins so';
COMMENT ON COLUMN aiusage.quota.model IS 'Scope: usage of this model, whatever the case of ASCII letters; with a trailing * every model that begins so';
COMMENT ON COLUMN aiusage.quota.endpoint IS 'Scope: usage of this endpoint; with a trailing * every endpoint that begins so';
COMMENT ON COLUMN aiusage.quota.tag IS 'Name of the tag that tag_value, or per, is about';
COMMENT ON COLUMN aiusage.quota.tag_value IS 'Scope: usage whose tag has this value';
COMMENT ON COLUMN aiusage.quota.per IS 'Dimensions that get a counter for each of their values (rows without a value share one); empty: one counter for all';
COMMENT ON COLUMN aiusage.quota.metric IS 'What is counted: spend, requests, tokens (input and output), unit (one unit, by name), errors (requests that did not succeed) or concurrency (open holds)';
COMMENT ON COLUMN aiusage.quota.unit IS 'Name of the unit, of metric unit';
COMMENT ON COLUMN aiusage.quota.currency IS 'Currency of the limit, of metric spend';
COMMENT ON COLUMN aiusage.quota."limit" IS 'How much a counter may hold, in currency or unit, without overrides';
COMMENT ON COLUMN aiusage.quota."window" IS 'minute, hour, day, week (from Monday), month: of the clock and calendar in time_zone; interval: of window_length; invoice_period: of the row; total: everything ever booked';
COMMENT ON COLUMN aiusage.quota.window_length IS 'Length of an interval: months, or days, or time. Fixed windows of days and months count from 2000-01-01 in time_zone, those of time from its first instant';
COMMENT ON COLUMN aiusage.quota.sliding IS 'true: the last minute, hour, ... at any moment, by the server''s clock; false: windows that follow each other';
COMMENT ON COLUMN aiusage.quota.time_zone IS 'Zone of fixed windows';
COMMENT ON COLUMN aiusage.quota.thresholds IS 'Percentages of the limit at which an event is written, once a window; the first makes a counter soft';
COMMENT ON COLUMN aiusage.quota.action IS 'What happens at the limit: reject, throttle, degrade, reroute, approve (all refuse the insert), or flag (books and marks it)';
COMMENT ON COLUMN aiusage.quota.degrade_to IS 'Cheaper model that admit() offers, of action degrade';
COMMENT ON COLUMN aiusage.quota.reroute_to IS 'Route that admit() offers, of action reroute';
COMMENT ON COLUMN aiusage.quota.unpriced IS 'Usage without a price under a spend limit: reject, or allow';
COMMENT ON COLUMN aiusage.quota.exempt_free IS 'Usage of price zero passes a spend limit that is used up';
COMMENT ON COLUMN aiusage.quota.notify IS 'Who is told, as the alert says';
COMMENT ON COLUMN aiusage.quota.note IS 'What it is for';
COMMENT ON COLUMN aiusage.quota.replaces IS 'The limit that this one took the place of';
COMMENT ON COLUMN aiusage.quota.epoch IS 'Grows when its counters are rebuilt; part of every subject, so that counters of an earlier epoch are none of its own';
COMMENT ON COLUMN aiusage.quota.rebuild_reason IS 'Why its counters were rebuilt last';
COMMENT ON COLUMN aiusage.quota.published_at IS 'When it became active; rows recorded before count by the time of their event';
COMMENT ON COLUMN aiusage.quota.published_by IS 'Role that published it';
COMMENT ON COLUMN aiusage.quota.published_boundary IS 'Every transaction that booked without knowing it is below, as usage_record.txid';
COMMENT ON COLUMN aiusage.quota.pruned_to IS 'Windows that ended by then are not kept in quota_usage';
COMMENT ON COLUMN aiusage.quota.retired_at IS 'When it ended';
COMMENT ON COLUMN aiusage.quota.retired_by IS 'Role that ended it';
COMMENT ON COLUMN aiusage.quota.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.quota.created_by IS 'Role that entered it';

CREATE TABLE aiusage.quota_request (
	request bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	quota int NOT NULL REFERENCES aiusage.quota (quota),
	labels text[],
	raise_by numeric CHECK (raise_by > 0 AND raise_by <= 1e24 AND scale(raise_by) <= 12),
	raise_to numeric CHECK (raise_to BETWEEN 0 AND 1e24 AND scale(raise_to) <= 12),
	valid_from timestamptz NOT NULL,
	valid_until timestamptz NOT NULL,
	reason text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 256),
	ticket text CHECK (octet_length(ticket) BETWEEN 1 AND 256),
	requested_at timestamptz NOT NULL DEFAULT now(),
	requested_by text NOT NULL,
	requested_session text NOT NULL DEFAULT session_user,
	expires_at timestamptz NOT NULL,
	status text NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'approved', 'refused', 'withdrawn', 'expired')),
	decided_at timestamptz,
	decided_by text,
	decision_note text CHECK (octet_length(decision_note) BETWEEN 1 AND 256),
	CHECK ((raise_by IS NULL) <> (raise_to IS NULL)),
	CHECK (valid_from < valid_until),
	CHECK ((status = 'requested') = (decided_at IS NULL))
);
CREATE INDEX quota_request_open ON aiusage.quota_request (expires_at) WHERE status = 'requested';
COMMENT ON TABLE aiusage.quota_request IS 'Requests to raise a limit for a time: made by one role, decided by another';
COMMENT ON COLUMN aiusage.quota_request.request IS 'Number of the request';
COMMENT ON COLUMN aiusage.quota_request.quota IS 'The limit';
COMMENT ON COLUMN aiusage.quota_request.labels IS 'Whose counter: values of the limit''s per, in its order; NULL: every counter of the limit';
COMMENT ON COLUMN aiusage.quota_request.raise_by IS 'How much more, in the limit''s currency or unit';
COMMENT ON COLUMN aiusage.quota_request.raise_to IS 'Or the limit instead, if that is higher';
COMMENT ON COLUMN aiusage.quota_request.valid_from IS 'From when';
COMMENT ON COLUMN aiusage.quota_request.valid_until IS 'Until when, exclusive';
COMMENT ON COLUMN aiusage.quota_request.reason IS 'Why';
COMMENT ON COLUMN aiusage.quota_request.ticket IS 'Where it is discussed';
COMMENT ON COLUMN aiusage.quota_request.requested_at IS 'When it was made';
COMMENT ON COLUMN aiusage.quota_request.requested_by IS 'Role that made it, as SET ROLE says';
COMMENT ON COLUMN aiusage.quota_request.requested_session IS 'Role that was logged in';
COMMENT ON COLUMN aiusage.quota_request.expires_at IS 'Until when it can be approved';
COMMENT ON COLUMN aiusage.quota_request.status IS 'requested, approved, refused, withdrawn or expired';
COMMENT ON COLUMN aiusage.quota_request.decided_at IS 'When it was decided';
COMMENT ON COLUMN aiusage.quota_request.decided_by IS 'Role that decided it';
COMMENT ON COLUMN aiusage.quota_request.decision_note IS 'What that role said';

CREATE TABLE aiusage.quota_override (
	override bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	quota int NOT NULL REFERENCES aiusage.quota (quota),
	labels text[],
	raise_by numeric CHECK (raise_by > 0 AND raise_by <= 1e24 AND scale(raise_by) <= 12),
	raise_to numeric CHECK (raise_to BETWEEN 0 AND 1e24 AND scale(raise_to) <= 12),
	valid_from timestamptz NOT NULL,
	valid_until timestamptz NOT NULL,
	reason text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 256),
	ticket text CHECK (octet_length(ticket) BETWEEN 1 AND 256),
	request bigint UNIQUE REFERENCES aiusage.quota_request (request),
	requested_by text NOT NULL,
	approved_by text NOT NULL,
	approved_at timestamptz NOT NULL DEFAULT now(),
	CHECK ((raise_by IS NULL) <> (raise_to IS NULL)),
	CHECK (valid_from <= valid_until)
);
CREATE INDEX quota_override_quota ON aiusage.quota_override (quota, valid_until);
COMMENT ON TABLE aiusage.quota_override IS 'Raises of a limit for a time, approved by somebody else than who asked. The limit in force is the greatest of limit plus all raise_by, and each raise_to';
COMMENT ON COLUMN aiusage.quota_override.override IS 'Number of the override';
COMMENT ON COLUMN aiusage.quota_override.quota IS 'The limit';
COMMENT ON COLUMN aiusage.quota_override.labels IS 'Whose counter: values of the limit''s per, in its order; NULL: every counter of the limit';
COMMENT ON COLUMN aiusage.quota_override.raise_by IS 'How much more, in the limit''s currency or unit';
COMMENT ON COLUMN aiusage.quota_override.raise_to IS 'Or the limit instead, if that is higher';
COMMENT ON COLUMN aiusage.quota_override.valid_from IS 'From when';
COMMENT ON COLUMN aiusage.quota_override.valid_until IS 'Until when, exclusive; aiusage.end_override() sets it to an earlier time';
COMMENT ON COLUMN aiusage.quota_override.reason IS 'Why';
COMMENT ON COLUMN aiusage.quota_override.ticket IS 'Where it is discussed';
COMMENT ON COLUMN aiusage.quota_override.request IS 'The request that was approved';
COMMENT ON COLUMN aiusage.quota_override.requested_by IS 'Who asked';
COMMENT ON COLUMN aiusage.quota_override.approved_by IS 'Who approved';
COMMENT ON COLUMN aiusage.quota_override.approved_at IS 'When';

CREATE TABLE aiusage.quota_event (
	event bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	kind text NOT NULL CHECK (kind IN ('threshold', 'over', 'denied', 'unchecked', 'published', 'changed', 'retired', 'rebuilt',
		'requested', 'approved', 'refused', 'withdrawn', 'ended', 'low')),
	quota int NOT NULL,
	quota_name text NOT NULL,
	subject uuid,
	subject_text text,
	window_start bigint,
	api_key text,
	threshold int,
	used numeric,
	held numeric,
	asked numeric,
	"limit" numeric,
	count bigint NOT NULL DEFAULT 1,
	first_at timestamptz,
	last_at timestamptz,
	detail text,
	role text,
	notified_at timestamptz
);
CREATE INDEX quota_event_quota ON aiusage.quota_event (quota, at);
CREATE INDEX quota_event_alert ON aiusage.quota_event (quota, subject, window_start) WHERE kind IN ('threshold', 'over');
CREATE INDEX quota_event_new ON aiusage.quota_event (event) WHERE notified_at IS NULL;
COMMENT ON TABLE aiusage.quota_event IS 'What happened at the limits: alerts, denials, changes, overrides. Only ever added to, but for notified_at';
COMMENT ON COLUMN aiusage.quota_event.event IS 'Number of the event';
COMMENT ON COLUMN aiusage.quota_event.at IS 'When it was written';
COMMENT ON COLUMN aiusage.quota_event.kind IS 'threshold, over (booked above the limit), denied, unchecked (booked without a check), published, changed, retired, rebuilt, requested, approved, refused, withdrawn or ended (of an override), low (balance of a wallet)';
COMMENT ON COLUMN aiusage.quota_event.quota IS 'Number of the limit';
COMMENT ON COLUMN aiusage.quota_event.quota_name IS 'Its name at that time';
COMMENT ON COLUMN aiusage.quota_event.subject IS 'Id of whom it was about, quota_subject.subject; NULL: the limit as a whole';
COMMENT ON COLUMN aiusage.quota_event.subject_text IS 'The same for people';
COMMENT ON COLUMN aiusage.quota_event.window_start IS 'Window it was about, as quota_usage.window_start';
COMMENT ON COLUMN aiusage.quota_event.api_key IS 'Key of the row';
COMMENT ON COLUMN aiusage.quota_event.threshold IS 'Percentage that was crossed; NULL unless kind is threshold';
COMMENT ON COLUMN aiusage.quota_event.used IS 'What was used then, in the limit''s currency or unit';
COMMENT ON COLUMN aiusage.quota_event.held IS 'What open holds had reserved then';
COMMENT ON COLUMN aiusage.quota_event.asked IS 'What was asked for';
COMMENT ON COLUMN aiusage.quota_event."limit" IS 'The limit in force then, overrides included';
COMMENT ON COLUMN aiusage.quota_event.count IS 'How many alike this entry stands for';
COMMENT ON COLUMN aiusage.quota_event.first_at IS 'When the first of them was';
COMMENT ON COLUMN aiusage.quota_event.last_at IS 'When the last of them was';
COMMENT ON COLUMN aiusage.quota_event.detail IS 'More, for people';
COMMENT ON COLUMN aiusage.quota_event.role IS 'Role that acted';
COMMENT ON COLUMN aiusage.quota_event.notified_at IS 'When it was sent as NOTIFY aiusage_alert; NULL: not yet';

CREATE TABLE aiusage.quota_usage (
	quota int NOT NULL,
	subject uuid NOT NULL,
	window_start bigint NOT NULL,
	starts_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL,
	used numeric NOT NULL,
	PRIMARY KEY (quota, subject, window_start)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE aiusage.quota_usage IS 'What the folded rows of the ledger add up to, a counter of a limit. Written by folds, publishing and rebuilding only; aiusage.quota_state adds the rows that are not folded yet';
COMMENT ON COLUMN aiusage.quota_usage.quota IS 'Number of the limit';
COMMENT ON COLUMN aiusage.quota_usage.subject IS 'Whom it counts for, quota_subject.subject';
COMMENT ON COLUMN aiusage.quota_usage.window_start IS 'Start of the window in microseconds since 2000-01-01 UTC; of a sliding window, of a sub-bucket; number of the invoice period; 0: total';
COMMENT ON COLUMN aiusage.quota_usage.starts_at IS 'Start of the window or sub-bucket';
COMMENT ON COLUMN aiusage.quota_usage.ends_at IS 'End of the window, or when the sub-bucket leaves it; infinity: never';
COMMENT ON COLUMN aiusage.quota_usage.used IS 'Sum, in the limit''s currency or unit';

CREATE TABLE aiusage.quota_subject (
	quota int NOT NULL,
	subject uuid NOT NULL,
	labels text[] NOT NULL,
	first_at timestamptz NOT NULL,
	PRIMARY KEY (quota, subject)
);
COMMENT ON TABLE aiusage.quota_subject IS 'Whom the counters of limits count for, once folded. Written together with quota_usage';
COMMENT ON COLUMN aiusage.quota_subject.quota IS 'Number of the limit';
COMMENT ON COLUMN aiusage.quota_subject.subject IS 'aiusage.quota_subject_id() of limit, epoch and labels: 128 bits of SHA-256';
COMMENT ON COLUMN aiusage.quota_subject.labels IS 'Values of the limit''s per, in its order; NULL: rows without one';
COMMENT ON COLUMN aiusage.quota_subject.first_at IS 'Earliest time that counted when it was folded first';
