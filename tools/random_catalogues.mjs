// Random catalogues of the genai-prices format, and usages priced with them by
// @pydantic/genai-prices.
//
//     node random_catalogues.mjs [SEED [CASES]]
//
// Writes catalogues.tsv (number, catalogue) and random.tsv, as COPY text:
//
//     id  catalogue  provider  model  usage  at  kind  amount  components  note
//
// What is random: names and the match expressions of providers and models, which
// overlap; providers that fall back to others; sets of prices over all of the
// lattice, with and without what they need; tiers; prices by date and by time of
// day, in both wire forms; usages at, below and above every boundary, with totals
// that are missing, zero, or less than their parts.
//
// A catalogue is given to the oracle as its data; every second case injects the
// provider instead.  Amounts are those of oracle.mjs, from the rates that it reports.
//
//     kind        what aiusage has to say
//     price, rounded, unknown, empty, ignored     as in differential.mjs
//     refused     contradictory_usage: the oracle throws
//     incomplete  unpriced: the prices are not complete, nor are those that the usage needs
//     partial     this amount: the oracle refuses the prices as a whole; those that the usage
//                 needs are complete
//     counted     this amount: several requests in one row, which the oracle counts as one
import fs from 'node:fs';
import { calcPrice, updatePrices } from '@pydantic/genai-prices';
import { decimal, generator, micro } from './exact.mjs';
import { below, byKey, close, contains, exact, names, negative, uncovered, units } from './oracle.mjs';

const { random, one, chance } = generator(process.argv[2] ?? 20261128);
const wanted = Number(process.argv[3] ?? 80000);
console.warn = () => {};

const keyOf = (unit) => units[unit].price_key ?? unit;
const above = Object.fromEntries(names.map((a) => [a, names.filter((b) => contains(b, a))]));
const duration = (unit) => units[unit].dimensions.family === 'durations';
const list = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const some = (items, percent) => items.filter(() => chance(percent));

// The unit in which two of a family overlap.
function joinOf(a, b) {
	const [x, y] = [units[a].dimensions, units[b].dimensions];
	if (a === b || contains(a, b) || contains(b, a) || Object.keys(x).some((k) => y[k] !== undefined && y[k] !== x[k])) return undefined;
	const all = Object.entries({ ...x, ...y });
	return names.find((n) => Object.keys(units[n].dimensions).length === all.length && all.every(([k, v]) => units[n].dimensions[k] === v));
}
const joins = names.flatMap((a) => names.filter((b) => a < b).map((b) => [a, b, joinOf(a, b)])).filter(([, , join]) => join);

// ---------------------------------------------------------------- prices

function closure(chosen) {
	const set = new Set(chosen);
	for (const unit of set) {		// grows meanwhile
		for (const total of above[unit]) set.add(total);
		for (const [a, b, join] of joins) if (set.has(a) && set.has(b)) set.add(join);
	}
	return [...set];
}

const digits = (n) => list(n, () => random(10)).join('');
const rate = (unit) => (chance(8) ? 0 : Number(`${random(one([1, 10, 100, duration(unit) ? 100 : 100000]))}.${digits(one([0, 1, 2, 4, 9, 12]))}`));

function price(unit, starts, bare) {
	if (starts.length === 0 || chance(40)) return rate(unit);
	const tiers = some(starts, 80).map((start) => ({ start, price: rate(unit) }));
	if (tiers.length === 0 && bare) return rate(unit);		// the oracle wants the total of input even if there are none
	if (tiers.length > 0 && chance(15)) tiers.push({ start: one(tiers).start, price: rate(unit) });	// twice: the last one counts
	if (chance(50)) tiers.reverse();
	return { base: rate(unit), tiers };
}

function priceSet() {
	const kind = random(100);
	let chosen;
	if (kind < 3) return {};
	if (kind < 25) chosen = ['input_tokens', 'output_tokens'];
	else if (kind < 82) chosen = closure(list(1 + random(5), () => one(names)));
	else if (kind < 86) chosen = closure(some(names, 10));
	else if (kind < 88) chosen = [...names];
	else if (kind < 90) chosen = ['requests'];
	else {
		chosen = closure(list(2 + random(4), () => one(names)));
		for (let i = 0; i <= random(2); i++) chosen.splice(random(chosen.length), 1);
		if (chosen.length === 0) chosen = ['cache_read_tokens'];
	}
	chosen = chosen.filter((n) => n !== 'requests' || kind >= 88 || chance(50));
	if (chance(15) && !chosen.includes('requests')) chosen.push('requests');
	const starts = chance(45) ? list(1 + random(3), () => one([0, 1, 128000, 199999, 200000, random(2000), random(1000000)])).filter((s, i, all) => all.indexOf(s) === i) : [];
	const prices = Object.fromEntries(chosen.map((unit) => [keyOf(unit), price(unit, starts, !chosen.includes('input_tokens'))]));
	if (chance(4)) prices[one(['input_ktok', 'unheard_of_kcount'])] = 3;
	return prices;
}

const pad = (n) => String(n).padStart(2, '0');
const clock = () => `${pad(random(24))}:${pad(one([0, 30, random(60)]))}:${pad(one([0, 0, random(60)]))}`;
const offset = () => one(['Z', 'Z', '+00:00', '+05:30', '-09:30', '+08:00', '-23:59']);

function constraint() {
	if (chance(50)) {
		const start_date = `20${pad(18 + random(12))}-${pad(1 + random(12))}-${pad(1 + random(28))}`;
		return chance(50) ? { start_date } : { type: 'start_date', start_date };
	}
	const window = { start_time: clock() + one(['', '', '.5', '.250']) + offset(), end_time: clock() + offset() };
	if (chance(5)) window.end_time = window.start_time;		// never
	return chance(50) ? window : { ...window, type: 'time_of_date' };
}

function conditional() {
	if (chance(55)) return priceSet();
	return list(1 + random(4), (i) => (chance(i === 0 ? 70 : 6) ? { prices: priceSet() } : { constraint: constraint(), prices: priceSet() }));
}

// ---------------------------------------------------------------- names

const words = ['nova', 'mini', 'pro', '7b', 'chat', 'x1', 'o3', 'sonic', 'v2.1', 'turbo'];
const date = () => one(['20250929', '20240229', '20250229', '20261231', '20251301']);
const dashed = (d) => `${d.slice(0, 4)}-${d.slice(4, 6)}-${d.slice(6)}`;
const name = () => list(1 + random(3), () => one(words)).join('-') + (chance(25) ? `-${one([date(), dashed(date())])}` : '') + (chance(8) ? one([':free', '-beta', '@eu']) : '');
const letters = (text) => (chance(30) ? text.toUpperCase() : text);

function match(depth) {
	const kind = random(depth > 0 ? 100 : 70);
	if (kind < 28) return { equals: letters(name()) };
	if (kind < 40) return { starts_with: letters(name()) };
	if (kind < 48) return { ends_with: letters(one(words)) };
	if (kind < 56) return { contains: letters(`${one(words)}-${one(words)}`) };
	if (kind < 70) return { regex: one([() => `^${one(words)}-(${one(words)}|${one(words)})`, () => `${one(words)}-\\d{4}-\\d\\d-\\d\\d$`, () => `^[a-n].*-${one(words)}$`,
		() => `^${one(words)}[-.]${one(words)}(-[a-z]+)?$`, () => `${one(words)}$`])() };
	return kind < 88 ? { or: list(1 + random(3), () => match(depth - 1)) } : { and: list(1 + random(3), () => match(depth - 1)) };
}

function samples(m, found = []) {
	for (const part of m.or ?? m.and ?? []) samples(part, found);
	if (m.equals) found.push(m.equals);
	if (m.starts_with) found.push(m.starts_with, `${m.starts_with}-${one(words)}`);
	if (m.ends_with) found.push(`${one(words)}-${m.ends_with}`);
	if (m.contains) found.push(m.contains, `${one(words)}-${m.contains}-z`);
	if (m.regex) found.push(m.regex.replace(/\(([^|()]*)\|[^()]*\)/g, '$1').replace('(-[a-z]+)?', '').replace('\\d{4}-\\d\\d-\\d\\d', '2025-09-29')
		.replace('[a-n].*', 'mini').replace('[-.]', '-').replace(/[\^$]/g, ''));
	return found;
}
const compact = (text) => text.replace(/-(20\d\d)-(\d\d)-(\d\d)/g, '-$1$2$3');

function makeCatalogue() {
	const ids = list(6, (i) => `lab${i}`);
	return ids.map((id, i) => ({
		id, name: `Laboratory ${i}`, api_pattern: `^https://${id}`,
		...(chance(60) ? { provider_match: one([{ contains: `${one(words)}` }, { or: [{ equals: `Firm-${i}` }, { starts_with: `firm-${random(6)}` }] }, { and: [{ contains: 'firm' }, match(0)] }]) } : {}),
		...(chance(50) ? { model_match: match(1) } : {}),
		...(chance(50) ? { fallback_model_providers: list(1 + random(3), () => one([...ids, 'nobody'])) } : {}),
		models: list(7, (n) => ({ id: `${chance(10) ? 'M' : 'm'}${n}-${name()}`, match: match(2), prices: conditional() })),
	}));
}

// ---------------------------------------------------------------- usages

const add = (a, b) => Number(micro(a) + micro(b)) / 1e6;

// Leafs, added up into their totals, which are reported, most of the time.
function usageOf(prices) {
	const priced = Object.keys(prices).map((k) => byKey[k]).filter((u) => u && u !== 'requests');
	const starts = Object.values(prices).flatMap((p) => (p.tiers ?? []).map((t) => t.start));
	const target = starts.length > 0 && chance(75) ? Math.max(0, one(starts) + one([-1, 0, 1, 1, 1000])) : one([0, 1, 1000, random(3000000)]);
	const share = one([100, 60, 25, 8]);
	const used = priced.filter((u) => u !== 'input_tokens' && chance(share));
	const usage = {};
	let left = target;
	for (const unit of used) {
		let amount = one([0, 1, 1 + random(1000), 1 + random(1000000)]);
		if (duration(unit)) amount = one([0, 1, 1000, 9999, 3600000, random(7200000)]) / 1000;
		if (below.input_tokens.includes(unit)) left -= amount = Math.min(amount, one([left, Math.floor(left / 3)]));
		usage[unit] = add(usage[unit] ?? 0, amount);
		for (const total of above[unit]) usage[total] = add(usage[total] ?? 0, amount);
	}
	if (priced.includes('input_tokens') || starts.length > 0 || usage.input_tokens !== undefined) usage.input_tokens = target;
	// what was not used: zero, or not said
	const silent = chance(25);
	for (const unit of priced) if (usage[unit] === undefined && !silent) usage[unit] = 0;
	// totals that nothing prices need not be said
	if (chance(30)) for (const unit of Object.keys(usage)) if (!priced.includes(unit) && chance(50)) delete usage[unit];
	return usage;
}

// A usage, changed: some of these are wrong, some are at the edge of it.
function bend(usage) {
	const reported = Object.keys(usage);
	const totals = reported.filter((u) => below[u]?.some((d) => usage[d] > 0));
	const unit = one(totals.length > 0 ? totals : reported.length > 0 ? reported : ['input_tokens']);
	const parts = below[unit].filter((d) => usage[d] > 0);
	switch (random(7)) {
		case 0: delete usage[unit]; return 'a total is missing';
		case 1: usage[unit] = 0; return 'a total is zero';
		case 2: if (usage[unit] > 0) usage[unit] = add(usage[unit], one([-1, -0.000001].filter((d) => d === -1 || duration(unit)))); if (usage[unit] < 0) usage[unit] = 0; return 'a little less in total';
		case 3: if (parts.length > 0) { const part = one(parts); usage[part] = add(usage[part], one([1, random(1000)])); } return 'more in a part';
		case 4: if (parts.length > 0) delete usage[one(parts)]; return 'a part is missing';
		case 5: if (parts.length > 0) usage[one(parts)] = usage[unit]; return 'a part is the total';
		default: { const part = one(below[unit].length > 0 ? below[unit] : names); usage[part] = one([0, 1, usage[unit] ?? 1, 1000]); return 'another part'; }
	}
}

// ---------------------------------------------------------------- times

function times(prices) {
	const found = [];
	for (const { constraint: c } of Array.isArray(prices) ? prices : []) {
		if (c?.start_date) found.push(Date.parse(`${c.start_date}T00:00:00Z`));
		for (const time of [c?.start_time, c?.end_time].filter(Boolean)) found.push(Date.parse(`20${pad(19 + random(10))}-0${1 + random(9)}-1${random(10)}T${time}`));
	}
	return found;
}
const moment = (edges) => (edges.length > 0 && chance(70) ? new Date(one(edges) + one([-1, 0, 0, 1])) : new Date(Date.UTC(2017 + random(14), random(12), 1 + random(28), random(24), random(60), random(60), random(1000))));

// ---------------------------------------------------------------- what it costs

const throws = (act) => { try { act(); return false; } catch { return true; } };

// The prices that a usage needs, where that can be put to the oracle: of what was used and its totals.
function neededBy(usage, prices) {
	const needed = new Set(['requests', ...Object.keys(usage).filter((u) => units[u] && usage[u] > 0)]);
	return Object.fromEntries(Object.entries(prices).filter(([k]) => needed.has(byKey[k])));
}

// Prices that are not complete: what docs/pricing.md says of a usage under them.
function lacking(usage, prices) {
	const priced = names.filter((n) => keyOf(n) in prices && n !== 'requests');
	const used = (unit) => usage[unit] > 0;
	const compared = Object.values(prices).some((p) => p.tiers?.length > 0) ? ['input_tokens'] : [];
	for (const unit of [...priced, ...compared])
		if (usage[unit] === undefined && (below[unit].some(used) || joins.some(([a, b, join]) => join === unit && used(a) && used(b)))) return 'refused';
	if (negative(usage, prices)) return 'refused';
	if (priced.some((unit) => used(unit) && above[unit].some((total) => !priced.includes(total)))) return 'incomplete';
	if (joins.some(([a, b, join]) => priced.includes(a) && priced.includes(b) && !priced.includes(join)
		&& ((used(a) && used(b)) || [join, ...below[join]].some(used)))) return 'incomplete';
	return uncovered(usage, prices) ? 'incomplete' : 'partial';
}

// What the oracle takes at all; asked once for each set.
function remembered(make) {
	const known = new WeakMap();
	return (key) => {
		if (!known.has(key)) known.set(key, make(key));
		return known.get(key);
	};
}
const single = (prices) => ({ id: 'single', name: '', api_pattern: '', models: [{ id: 'm', match: { equals: 'm' }, prices }] });
const complete = remembered((prices) => !throws(() => calcPrice({}, 'm', { provider: single(prices) })));

// Which of conditional prices apply: the oracle chooses, among sets that hold nothing but their number.
const labelled = remembered((prices) => single(prices.map((p, n) => ({ ...p, prices: { [`set ${n}`]: 0 } }))));
function setAt(prices, at) {
	if (!Array.isArray(prices)) return prices;
	const [chosen] = Object.keys(calcPrice({}, 'm', { provider: labelled(prices), timestamp: at }).model_price);
	return prices[Number(chosen.slice(4))].prices;
}

let mismatches = 0;
function answer(usage, prices, ask, identity) {
	const money = (kind, given, result, requests) => {
		const { total, rounded, components } = exact(usage, given, undefined, requests);
		if (result && requests === undefined && !close(total, result.total_price, Object.keys(components).length)) {
			mismatches++;
			process.stderr.write(`recomputed ${decimal(total)}, the oracle says ${result.total_price}: ${identity}\n`);
		}
		return { kind: kind ?? (rounded ? 'rounded' : 'price'), amount: decimal(total),
			components: `{"USD": {${Object.entries(components).map(([u, a]) => `"${u}": ${decimal(a)}`).join(', ')}}}` };
	};
	let result = null;
	try {
		result = ask();
	} catch {
		// told apart below
	}
	if (result && result.model_price !== prices) throw new Error(`other prices were meant: ${identity}`);
	if (!Object.keys(prices).some((k) => byKey[k])) return { kind: 'empty' };
	if (complete(prices)) {
		if (!result) return { kind: 'refused' };
		if (uncovered(usage, prices)) return { kind: 'ignored' };
		if (usage.requests !== undefined && 'requests_kcount' in prices) return money('counted', prices, result, usage.requests);
		return money(undefined, prices, result);
	}
	if (result) throw new Error(`incomplete prices were taken: ${identity}`);
	const kind = lacking(usage, prices);
	if (kind !== 'partial') return { kind };
	const said = money(kind, prices, null, usage.requests);
	const needed = neededBy(usage, prices);
	if (usage.requests === undefined && complete(needed)
		&& said.amount !== money(kind, needed, calcPrice(usage, 'm', { provider: single(needed) })).amount)
		throw new Error(`not what the oracle says of the prices that are needed: ${identity}`);
	return said;
}

// ---------------------------------------------------------------- generation

const escape = (s) => s.replace(/\\/g, '\\\\').replace(/\t/g, '\\t').replace(/\n/g, '\\n');
const catalogues = fs.openSync('catalogues.tsv', 'w');
const out = fs.openSync('random.tsv', 'w');
let setData;
updatePrices(({ setProviderData }) => { setData = setProviderData; });
let id = 0;
for (let number = 1; id < wanted; number++) {
	const catalogue = makeCatalogue();
	fs.writeSync(catalogues, `${number}\t${escape(JSON.stringify(chance(50) ? catalogue : { currency: 'USD', providers: catalogue }))}\n`);

	// who is asked for: every name that an expression is about, others, and what becomes of them
	const asked = [];
	for (const provider of catalogue) {
		for (const model of provider.models) {
			for (const called of some([...samples(model.match), ...samples(model.match).map(compact)], 70).slice(0, 4)) asked.push([provider.id, called, 'name']);
			if (chance(30)) asked.push([provider.id, model.id, 'id']);
		}
		asked.push(...list(5, () => [provider.id, name(), 'any name']));
		for (const alias of [`firm-${random(6)}`, ...(provider.provider_match ? samples(provider.provider_match) : [])]) asked.push([alias, one(samples(one(provider.models).match)), 'alias']);
		asked.push(['litellm', `${one([provider.id, 'firm-3', 'nobody'])}/${one(samples(one(provider.models).match))}`, 'proxy'], ['litellm', name(), 'proxy']);
	}
	asked.push(['no such provider', 'nova', 'unknown']);

	const lines = [];
	const each = Math.ceil(14500 / asked.length);
	// without prices nothing can be refused: who is meant
	setData(catalogue.map((p) => ({ ...p, models: p.models.map((m) => ({ ...m, prices: {} })) })));
	const resolved = asked.map(([provider, model]) => calcPrice({}, model, { providerId: provider }));
	setData(catalogue);
	asked.forEach(([provider, model, note], a) => {
		const meant = resolved[a] && catalogue.find((p) => p.models.some((m) => m.id === resolved[a].model.id && m.match === resolved[a].model.match)).models.find((m) => m.id === resolved[a].model.id);
		const injected = catalogue.find((p) => p.id === provider);
		const edges = meant ? times(meant.prices) : [];
		for (let i = 0; i < (meant ? each : 2); i++) {
			const at = moment(edges);
			const called = chance(15) ? ` ${model.toUpperCase()} ` : model;
			const options = injected && chance(50) ? { provider: injected, timestamp: at } : { providerId: chance(10) ? provider.toUpperCase() : provider, timestamp: at };
			const asProvider = options.provider ? provider : options.providerId;
			let usage = {};
			let how = note;
			let said = { kind: 'unknown' };
			if (meant) {
				const prices = setAt(meant.prices, at);
				if (!chance(3)) usage = usageOf(prices);
				if (chance(30)) how = bend(usage);
				if (chance(3)) { usage[one([...names.filter((n) => n !== 'requests'), 'gpu_minutes'])] = random(9); how = 'extra unit'; }
				if (chance(4)) { usage.requests = random(50); how = 'several requests'; }
				const identity = `${asProvider} ${called} ${JSON.stringify(usage)} ${at.toISOString()}`;
				said = answer(usage, prices, () => calcPrice(usage, called, options), identity);
			}
			lines.push([++id, number, escape(asProvider), escape(called), JSON.stringify(usage), at.toISOString(), said.kind, said.amount ?? '\\N', said.components ?? '\\N', how].join('\t'));
		}
	});
	fs.writeSync(out, lines.join('\n') + '\n');
}
fs.closeSync(out);
if (mismatches > 0) {
	process.stderr.write(`${mismatches} amounts do not agree with the oracle's own\n`);
	process.exit(1);
}
