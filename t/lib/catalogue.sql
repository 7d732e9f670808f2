-- Everything in schema aiusage, a line a fact: object, fact.  Two databases
-- with the same books give the same lines, however they came to them.
-- Not here, since it may differ: object ids, the order of columns (but the
-- ledger's), names of NOT NULL constraints, partitions, and btree_gist.
WITH
relation AS (
	SELECT c.*, 'aiusage.' || c.relname AS name
	FROM pg_class AS c
	WHERE c.relnamespace = 'aiusage'::regnamespace AND (NOT c.relispartition OR c.relname = 'usage_record_default')
),
own AS (
	SELECT p.* FROM pg_proc AS p
	WHERE p.pronamespace = 'aiusage'::regnamespace AND NOT EXISTS (SELECT FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
		WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname <> 'aiusage')
),
acl AS (
	SELECT a.key, string_agg(a.line, ', ' ORDER BY a.line COLLATE "C") AS granted
	FROM (
		SELECT s.key, format('%s: %s%s by %s', CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, x.privilege_type,
			CASE WHEN x.is_grantable THEN '*' ELSE '' END, x.grantor::regrole) AS line
		FROM (
			SELECT 'relation ' || r.oid AS key, coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner)) AS acl FROM relation AS r
			UNION ALL SELECT format('column %s %s', a.attrelid, a.attnum), a.attacl FROM pg_attribute AS a JOIN relation AS r ON r.oid = a.attrelid
			UNION ALL SELECT 'function ' || p.oid, coalesce(p.proacl, acldefault('f', p.proowner)) FROM own AS p
		) AS s, aclexplode(s.acl) AS x
	) AS a
	GROUP BY a.key
)
SELECT object, fact FROM (
	SELECT format('relation %s', r.name) AS object, format('kind %s, owner %s, persistence %s, row security %s/%s, options %s, partition %s, comment %s', r.relkind,
		r.relowner::regrole, r.relpersistence, r.relrowsecurity, r.relforcerowsecurity, r.reloptions,
		coalesce(pg_get_partkeydef(r.oid), pg_get_expr(r.relpartbound, r.oid)), obj_description(r.oid, 'pg_class')) AS fact
	FROM relation AS r WHERE r.relkind IN ('r', 'p', 'v', 'S', 'm')
	UNION ALL
	SELECT format('relation %s', r.name), 'granted ' || acl.granted
	FROM relation AS r LEFT JOIN acl ON acl.key = 'relation ' || r.oid WHERE r.relkind IN ('r', 'p', 'v', 'S', 'm')
	UNION ALL
	SELECT format('column %s.%s', r.name, a.attname), format('%s%s%s, default %s, identity %s, generated %s, storage %s, compression %s, collation %s, granted %s, comment %s%s',
		format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' NOT NULL' END, CASE WHEN a.attndims > 0 THEN ' array' END,
		pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attstorage, a.attcompression, nullif(a.attcollation, 0)::regcollation,
		acl.granted, col_description(r.oid, a.attnum),
		CASE WHEN r.relname LIKE 'usage\_record%' THEN format(', number %s', a.attnum) END)
	FROM relation AS r JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		LEFT JOIN acl ON acl.key = format('column %s %s', a.attrelid, a.attnum)
	WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c')
	UNION ALL
	SELECT format('constraint %s.%s', r.name, c.conname), pg_get_constraintdef(c.oid) || CASE WHEN c.convalidated THEN '' ELSE ' not validated' END
	FROM pg_constraint AS c JOIN relation AS r ON r.oid = c.conrelid WHERE c.contype NOT IN ('n', 't')
	UNION ALL
	SELECT format('index %s', r.name), format('%s, options %s, valid %s', pg_get_indexdef(r.oid), r.reloptions, i.indisvalid)
	FROM relation AS r JOIN pg_index AS i ON i.indexrelid = r.oid
	UNION ALL
	SELECT format('trigger %s on %s', t.tgname, r.name), format('%s, enabled %s, comment %s', pg_get_triggerdef(t.oid), t.tgenabled, obj_description(t.oid, 'pg_trigger'))
	FROM pg_trigger AS t JOIN relation AS r ON r.oid = t.tgrelid WHERE NOT t.tgisinternal
	UNION ALL
	SELECT format('policy %s on %s', p.polname, r.name), format('%s %s %s %s %s', p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
	FROM pg_policy AS p JOIN relation AS r ON r.oid = p.polrelid
	UNION ALL
	SELECT format('view %s', r.name), pg_get_viewdef(r.oid) FROM relation AS r WHERE r.relkind = 'v'
	UNION ALL
	SELECT format('function %s', p.oid::regprocedure), CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE 'aggregate' END
	FROM own AS p
	UNION ALL
	SELECT format('function %s', p.oid::regprocedure), format('owner %s, granted %s, comment %s', p.proowner::regrole, acl.granted, obj_description(p.oid, 'pg_proc'))
	FROM own AS p LEFT JOIN acl ON acl.key = 'function ' || p.oid
	UNION ALL
	SELECT format('member %s', pg_describe_object(d.classid, d.objid, d.objsubid)),
		format('comment %s', obj_description(d.objid, d.classid::regclass::name))
	FROM pg_depend AS d
	WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'aiusage')
	UNION ALL
	SELECT format('enum %s', e.enumtypid::regtype), string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum AS e
	JOIN pg_type AS t ON t.oid = e.enumtypid AND t.typnamespace = 'aiusage'::regnamespace GROUP BY e.enumtypid
	UNION ALL
	SELECT format('setting %s', s.name), s.meaning FROM aiusage.setting AS s
	UNION ALL
	SELECT format('step %s %s %s', s.kind, s.version, s.name), 'applied' FROM aiusage.storage_step AS s
) AS everything
ORDER BY object COLLATE "C", fact COLLATE "C"
