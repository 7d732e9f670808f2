-- Heap bytes a row: pages in use / rows, page header and line pointers included.
SELECT 'aiusage.usage_record', count(*), round(pg_relation_size(tableoid)::numeric / count(*), 1),
	round(avg(pg_column_size(t)), 1), round(pg_indexes_size(tableoid)::numeric / count(*), 1)
FROM aiusage.usage_record AS t GROUP BY tableoid
UNION ALL
SELECT 'bare.usage_record', count(*), round(pg_relation_size(tableoid)::numeric / count(*), 1),
	round(avg(pg_column_size(t)), 1), round(pg_indexes_size(tableoid)::numeric / count(*), 1)
FROM bare.usage_record AS t GROUP BY tableoid
UNION ALL
SELECT 'stored.usage_record', count(*), round(pg_relation_size(tableoid)::numeric / count(*), 1),
	round(avg(pg_column_size(t)), 1), round(pg_indexes_size(tableoid)::numeric / count(*), 1)
FROM stored.usage_record AS t GROUP BY tableoid;
