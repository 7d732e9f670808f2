/*
 * Who usage is charged to.  An entity has an id, which never changes and is
 * what assignments and limits name, and a name for people: a rename is not a
 * move.  Entities that a key names and nobody has described yet are made by
 * aiusage.put_key() with the id as their name.
 */

CREATE TABLE aiusage.team (
	team text PRIMARY KEY CHECK (octet_length(team) BETWEEN 1 AND 256),
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 256),
	calendar int,
	created_at timestamptz NOT NULL DEFAULT now(),
	stopped_at timestamptz,
	stop_reason text CHECK (octet_length(stop_reason) BETWEEN 1 AND 256)
);
COMMENT ON TABLE aiusage.team IS 'Teams that usage is attributed to';
COMMENT ON COLUMN aiusage.team.team IS 'Id, at most 256 bytes; never changes';
COMMENT ON COLUMN aiusage.team.name IS 'Name for people; may change at any time';
COMMENT ON COLUMN aiusage.team.calendar IS 'Billing calendar by whose days its statements are made; NULL: its usage is in the statements of the periods it is invoiced in';
COMMENT ON COLUMN aiusage.team.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.team.stopped_at IS 'Since when its usage is refused unless it is spent already (UA403); NULL: it is not. aiusage.stop_team() and start_team() set it';
COMMENT ON COLUMN aiusage.team.stop_reason IS 'Why it was stopped';

CREATE TABLE aiusage.cost_center (
	cost_center text PRIMARY KEY CHECK (octet_length(cost_center) BETWEEN 1 AND 256),
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 256),
	calendar int,
	created_at timestamptz NOT NULL DEFAULT now(),
	stopped_at timestamptz,
	stop_reason text CHECK (octet_length(stop_reason) BETWEEN 1 AND 256)
);
COMMENT ON TABLE aiusage.cost_center IS 'Cost centers that usage is charged to';
COMMENT ON COLUMN aiusage.cost_center.cost_center IS 'Id, at most 256 bytes; never changes';
COMMENT ON COLUMN aiusage.cost_center.name IS 'Name for people; may change at any time';
COMMENT ON COLUMN aiusage.cost_center.calendar IS 'Billing calendar that its usage is invoiced by; NULL: the global one (1). A change holds for rows booked from then on';
COMMENT ON COLUMN aiusage.cost_center.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.cost_center.stopped_at IS 'Since when its usage is refused unless it is spent already (UA403); NULL: it is not. aiusage.stop_cost_center() and start_cost_center() set it';
COMMENT ON COLUMN aiusage.cost_center.stop_reason IS 'Why it was stopped';

CREATE TABLE aiusage.customer (
	customer text PRIMARY KEY CHECK (octet_length(customer) BETWEEN 1 AND 256),
	name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 256),
	plan_tier text CHECK (octet_length(plan_tier) BETWEEN 1 AND 256),
	calendar int,
	created_at timestamptz NOT NULL DEFAULT now(),
	stopped_at timestamptz,
	stop_reason text CHECK (octet_length(stop_reason) BETWEEN 1 AND 256)
);
COMMENT ON TABLE aiusage.customer IS 'Customers whose use of a product causes usage';
COMMENT ON COLUMN aiusage.customer.customer IS 'Id, at most 256 bytes; never changes';
COMMENT ON COLUMN aiusage.customer.name IS 'Name for people; may change at any time';
COMMENT ON COLUMN aiusage.customer.plan_tier IS 'The plan the customer is on, for limits and charges by plan; NULL: not said';
COMMENT ON COLUMN aiusage.customer.calendar IS 'Billing calendar by whose days its statements are made; NULL: its usage is in the statements of the periods it is invoiced in';
COMMENT ON COLUMN aiusage.customer.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.customer.stopped_at IS 'Since when its usage is refused unless it is spent already (UA403); NULL: it is not. aiusage.stop_customer() and start_customer() set it';
COMMENT ON COLUMN aiusage.customer.stop_reason IS 'Why it was stopped';
