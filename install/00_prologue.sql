\echo Use "CREATE EXTENSION aiusage" to load this file. \quit

/*
 * aiusage: the ledger for AI API spend.
 *
 * This script creates code only: types, functions, operators, aggregates.
 * The tables (the books) are made by aiusage.init() and belong to nobody but
 * the site, so that they dump, restore and upgrade as ordinary tables.
 */

SET LOCAL search_path TO pg_catalog, pg_temp;

-- A squatted schema is an error: whoever owned it could reach the objects in it.
CREATE SCHEMA aiusage;
COMMENT ON SCHEMA aiusage IS 'aiusage: the ledger for AI API spend (code of the extension, and the books made by aiusage.init())';
