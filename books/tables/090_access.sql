/*
 * Who may see and do what.  The table is data, not a privilege by itself:
 * aiusage.grant_access() writes it together with the GRANTs of its kind, and
 * the views for people filter by it.
 *
 * Roles are kept by name, so that the books restore into a cluster where a
 * role is missing.  A renamed role loses its access until it is granted again.
 */

CREATE TABLE aiusage.access_grant (
	role name,
	kind text CHECK (kind IN ('gateway', 'importer', 'analyst', 'admin', 'approver', 'member', 'customer')),
	teams text[],
	cost_centers text[],
	customers text[],
	granted_by text NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (role, kind)
);
COMMENT ON TABLE aiusage.access_grant IS 'Access given by aiusage.grant_access(); what people read is filtered by it. Teams, cost centers and customers all NULL: not limited to a scope';
COMMENT ON COLUMN aiusage.access_grant.role IS 'Role that has it, and whoever has that role''s privileges';
COMMENT ON COLUMN aiusage.access_grant.kind IS 'gateway, importer, analyst, admin, approver, member or customer';
COMMENT ON COLUMN aiusage.access_grant.teams IS 'Teams in its scope; NULL: none by team';
COMMENT ON COLUMN aiusage.access_grant.cost_centers IS 'Cost centers in its scope; NULL: none by cost center';
COMMENT ON COLUMN aiusage.access_grant.customers IS 'Customers in its scope; NULL: none by customer';
COMMENT ON COLUMN aiusage.access_grant.granted_by IS 'Role that granted it';
COMMENT ON COLUMN aiusage.access_grant.granted_at IS 'When it was granted, or its scope changed last';
