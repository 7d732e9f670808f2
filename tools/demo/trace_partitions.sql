-- Partitions for the months of a trace.
\set QUIET on
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT partition, action FROM aiusage.make_partitions(:'first'::timestamptz - interval '2 days', :'last'::timestamptz + interval '2 days');
