/*
 * Contracts: what usage of a period comes to by terms that no row can know,
 * as data beside a price book.  Rows are priced by the book as ever; when the
 * period ends, aiusage.book_contracts() books the difference.
 *
 *     contract 1-n contract_rate 1-n contract_tier
 *              1-n contract_run 1-n contract_run_line
 */

CREATE TABLE aiusage.contract (
	contract text PRIMARY KEY CHECK (octet_length(contract) BETWEEN 1 AND 256),
	book text NOT NULL REFERENCES aiusage.price_book (book),
	api_key text NOT NULL REFERENCES aiusage.api_key (api_key),
	provider text CHECK (octet_length(provider) BETWEEN 1 AND 256),
	model text CHECK (octet_length(model) BETWEEN 1 AND 256),
	team text REFERENCES aiusage.team (team),
	cost_center text REFERENCES aiusage.cost_center (cost_center),
	customer text REFERENCES aiusage.customer (customer),
	valid_from date NOT NULL DEFAULT '-infinity',
	valid_to date,
	minimum numeric CHECK (minimum > 0 AND minimum < 1000000000000000 AND scale(trim_scale(minimum)) <= 12),
	note text CHECK (octet_length(note) BETWEEN 1 AND 256),
	created_at timestamptz NOT NULL DEFAULT now(),
	created_by text NOT NULL DEFAULT current_user,
	CHECK (valid_from < valid_to)
);
COMMENT ON TABLE aiusage.contract IS 'Terms for the usage of whole periods: tiers, packages, a minimum. Written by aiusage.put_contract(), evaluated by aiusage.contract_lines(), booked by aiusage.book_contracts()';
COMMENT ON COLUMN aiusage.contract.contract IS 'Name of the contract, at most 256 bytes';
COMMENT ON COLUMN aiusage.contract.book IS 'Price book it is about: of kind cost it adjusts cost, of kind charge the charge; its currency is the contract''s';
COMMENT ON COLUMN aiusage.contract.api_key IS 'Key that its adjustments are booked on: whoever owns that bears them, in the periods of that owner''s calendar';
COMMENT ON COLUMN aiusage.contract.provider IS 'Provider of the usage it covers, letter case aside, a trailing * stands for anything; NULL: any';
COMMENT ON COLUMN aiusage.contract.model IS 'Model of the usage it covers, in the same form; NULL: any';
COMMENT ON COLUMN aiusage.contract.team IS 'Team whose usage it covers; NULL: any';
COMMENT ON COLUMN aiusage.contract.cost_center IS 'Cost center whose usage it covers; NULL: any';
COMMENT ON COLUMN aiusage.contract.customer IS 'Customer whose usage it covers, and whose statement its adjustments are on; NULL: any';
COMMENT ON COLUMN aiusage.contract.valid_from IS 'For periods that begin on this day or later';
COMMENT ON COLUMN aiusage.contract.valid_to IS 'For periods that begin before this day; NULL: until further notice';
COMMENT ON COLUMN aiusage.contract.minimum IS 'Minimum commitment a period, in the book''s currency: what is missing is a true-up; NULL: none';
COMMENT ON COLUMN aiusage.contract.note IS 'Number of the paper, or anything else; NULL: nothing';
COMMENT ON COLUMN aiusage.contract.created_at IS 'When it was entered';
COMMENT ON COLUMN aiusage.contract.created_by IS 'Role that entered it';

CREATE TABLE aiusage.contract_rate (
	contract text REFERENCES aiusage.contract (contract) ON UPDATE CASCADE ON DELETE CASCADE,
	rate int CHECK (rate >= 1),
	unit text NOT NULL CHECK (unit ~ '^[a-z][a-z0-9_]{0,62}$'),
	provider text CHECK (octet_length(provider) BETWEEN 1 AND 256),
	model text CHECK (octet_length(model) BETWEEN 1 AND 256),
	method text NOT NULL CHECK (method IN ('graduated', 'volume', 'package')),
	free numeric NOT NULL DEFAULT 0 CHECK (free >= 0 AND free < 1000000000000000000 AND scale(trim_scale(free)) <= 6),
	PRIMARY KEY (contract, rate)
);
COMMENT ON TABLE aiusage.contract_rate IS 'How a contract bills a unit. Usage counts for the first rate that its unit, provider and model fit';
COMMENT ON COLUMN aiusage.contract_rate.contract IS 'The contract';
COMMENT ON COLUMN aiusage.contract_rate.rate IS 'Number of the rate, from 1';
COMMENT ON COLUMN aiusage.contract_rate.unit IS 'Unit of usage, counted as it was billed: without what more specific units bill; requests: the number of requests';
COMMENT ON COLUMN aiusage.contract_rate.provider IS 'Provider, as in contract; NULL: any of the contract';
COMMENT ON COLUMN aiusage.contract_rate.model IS 'Model, as in contract; NULL: any of the contract';
COMMENT ON COLUMN aiusage.contract_rate.method IS 'graduated: each part of the quantity at the price of its tier; volume: all of it at the price of the tier it reaches; package: every started package of `per` at the price';
COMMENT ON COLUMN aiusage.contract_rate.free IS 'Quantity of each period that is free; tiers and packages begin after it';

CREATE TABLE aiusage.contract_tier (
	contract text,
	rate int,
	starts numeric NOT NULL CHECK (starts >= 0 AND starts < 1000000000000000000 AND scale(trim_scale(starts)) <= 6),
	price numeric NOT NULL CHECK (price >= 0 AND price < 1000000000000 AND scale(trim_scale(price)) <= 12),
	per numeric NOT NULL DEFAULT 1 CHECK (per > 0 AND per <= 1000000000000000 AND scale(trim_scale(per)) <= 6),
	flat numeric NOT NULL DEFAULT 0 CHECK (flat >= 0 AND flat < 1000000000000 AND scale(trim_scale(flat)) <= 12),
	PRIMARY KEY (contract, rate, starts),
	FOREIGN KEY (contract, rate) REFERENCES aiusage.contract_rate ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON TABLE aiusage.contract_tier IS 'Prices of a contract''s rate, by quantity';
COMMENT ON COLUMN aiusage.contract_tier.contract IS 'The contract';
COMMENT ON COLUMN aiusage.contract_tier.rate IS 'Its rate';
COMMENT ON COLUMN aiusage.contract_tier.starts IS 'The tier is for what is above this quantity of the period, free units not counted; the first one is 0';
COMMENT ON COLUMN aiusage.contract_tier.price IS 'Money, in the book''s currency, for `per` of the unit';
COMMENT ON COLUMN aiusage.contract_tier.per IS 'Quantity that the price is for; of a package, its size';
COMMENT ON COLUMN aiusage.contract_tier.flat IS 'Money that is due once the tier is reached, whatever the quantity';

CREATE TABLE aiusage.contract_run (
	run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	contract text NOT NULL,
	period int NOT NULL REFERENCES aiusage.invoice_period (period),
	difference numeric NOT NULL,
	currency text NOT NULL,
	correction bigint NOT NULL REFERENCES aiusage.correction (correction),
	record uuid NOT NULL,
	ran_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	ran_by text NOT NULL
);
COMMENT ON TABLE aiusage.contract_run IS 'What was booked for contracts: one row a contract, period and booking; further bookings of a period are differences. Never changed';
COMMENT ON COLUMN aiusage.contract_run.run IS 'Number of the booking';
COMMENT ON COLUMN aiusage.contract_run.contract IS 'The contract, by its name then';
COMMENT ON COLUMN aiusage.contract_run.period IS 'The period';
COMMENT ON COLUMN aiusage.contract_run.difference IS 'What was booked, of either sign, in currency';
COMMENT ON COLUMN aiusage.contract_run.currency IS 'ISO 4217';
COMMENT ON COLUMN aiusage.contract_run.correction IS 'The correction that the ledger row belongs to';
COMMENT ON COLUMN aiusage.contract_run.record IS 'The ledger row, of kind adjustment';
COMMENT ON COLUMN aiusage.contract_run.ran_at IS 'When';
COMMENT ON COLUMN aiusage.contract_run.ran_by IS 'Role that did it';
CREATE INDEX contract_run_period ON aiusage.contract_run (period, contract);

CREATE TABLE aiusage.contract_run_line (
	run bigint REFERENCES aiusage.contract_run (run),
	line int,
	what text NOT NULL,
	rate int,
	unit text,
	quantity numeric,
	price numeric,
	per numeric,
	amount numeric NOT NULL,
	PRIMARY KEY (run, line)
);
COMMENT ON TABLE aiusage.contract_run_line IS 'How a booking of a contract came about, as aiusage.contract_lines() said then; the amounts add up to the difference. Never changed';
COMMENT ON COLUMN aiusage.contract_run_line.run IS 'The booking';
COMMENT ON COLUMN aiusage.contract_run_line.line IS 'Number of the line';
COMMENT ON COLUMN aiusage.contract_run_line.what IS 'free, graduated, volume, package, flat, other usage, minimum, booked by rows, adjusted before';
COMMENT ON COLUMN aiusage.contract_run_line.rate IS 'Rate of the contract; NULL: of none';
COMMENT ON COLUMN aiusage.contract_run_line.unit IS 'Unit of the rate; NULL: no rate';
COMMENT ON COLUMN aiusage.contract_run_line.quantity IS 'Quantity that the line is for; of a package, the number of packages; NULL: none';
COMMENT ON COLUMN aiusage.contract_run_line.price IS 'Price for per; NULL: none';
COMMENT ON COLUMN aiusage.contract_run_line.per IS 'Quantity that the price is for; NULL: none';
COMMENT ON COLUMN aiusage.contract_run_line.amount IS 'Money, in the booking''s currency';
