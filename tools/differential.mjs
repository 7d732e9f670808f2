// Cases of the differential pricing test, on standard output, as COPY text:
//
//     id  provider  model  usage  at  kind  amount  note
//
// The oracle is @pydantic/genai-prices: it says which prices apply and whether
// the usage can be priced.  It computes in floats, so the amount is computed
// here once more, from the rates it reports (model_price), in exact rational
// arithmetic over BigInt: leaf quantities, tiers, and each component rounded
// once, half to even, to 1e-12.  That the two agree to nine digits is checked.
//
//     kind     what aiusage has to say
//     price    this amount
//     rounded  this amount; some component is no finite decimal of 12 places
//     empty    unpriced, no_prices: the oracle says 0 for an entry without prices
//     ignored  unpriced, unit_unpriced: the oracle ignores a unit that was used
//              and that nothing prices
//     refused  UA422 or unpriced: the oracle throws
//     clamped  UA422: for Groq's Whisper the oracle overwrites a part that
//              exceeds its total
//     unknown  unpriced: the oracle knows no such provider or model
//
//     node differential.mjs [SEED [FACTOR]]
import { calcPrice, waitForUpdate } from '@pydantic/genai-prices';
import { decimal, generator, micro } from './exact.mjs';
import { below, byKey, close, exact, names, uncovered, units } from './oracle.mjs';

const { random, one, chance } = generator(process.argv[2] ?? 20260923);
const factor = Number(process.argv[3] ?? 1);
console.warn = () => {};

// ---------------------------------------------------------------- the oracle's answer

// Groq bills 10 seconds at least: the oracle raises audio_seconds and sets
// input_audio_seconds to the same.  Both have one rate, so billing what is
// missing on top of the total comes to the same, but for where it is rounded.
function whisper(provider, model, usage) {
	if (provider.id !== 'groq' || !/^whisper-large-v3(-turbo)?$/.test(model.id)) return { usage };
	const total = usage.audio_seconds ?? usage.input_audio_seconds;
	if (total === undefined) return { usage };
	if ((usage.input_audio_seconds ?? 0) > total) return { clamped: true };
	return { usage: { ...usage, audio_seconds: total }, minimum: 10 };
}

const out = [];
const seen = new Set();
let mismatches = 0;
const escape = (s) => s.replace(/\\/g, '\\\\').replace(/\t/g, '\\t').replace(/\n/g, '\\n');

function emit(provider, model, usage, at, note) {
	const line = [provider, model, JSON.stringify(usage), at.toISOString()];
	const identity = line.join('\t');
	if (seen.has(identity)) return;
	seen.add(identity);
	let kind;
	let amount = '\\N';
	let result;
	try {
		result = calcPrice(usage, model, { providerId: provider, timestamp: at });
		if (result === null) kind = 'unknown';
		else if (Object.keys(result.model_price).length === 0) kind = 'empty';
		else if (uncovered(usage, result.model_price)) kind = 'ignored';
		else if (whisper(result.provider, result.model, usage).clamped) kind = 'clamped';
		else {
			const billed = whisper(result.provider, result.model, usage);
			const { total, rounded } = exact(billed.usage, result.model_price, billed.minimum);
			if (!close(total, result.total_price)) {
				mismatches++;
				process.stderr.write(`recomputed ${decimal(total)}, the oracle says ${result.total_price}: ${identity}\n`);
			}
			kind = rounded ? 'rounded' : 'price';
			amount = decimal(total);
		}
	} catch {
		kind = 'refused';
	}
	out.push([out.length + 1, ...line.map(escape), kind, amount, note].join('\t'));
}

// ---------------------------------------------------------------- usages

const quantity = (unit) => {
	if (units[unit].dimensions.family === 'durations') return one([1, 9999, 10000, 10001, 59500, 3600000, 1 + random(7200000)]) / 1000;
	if (units[unit].dimensions.family === 'tokens') return one([0, 1, 7, 255, 4735, 1 + random(1000), 1 + random(100000), 1 + random(3000000)]);
	return random(40);
};
const add = (a, b) => Number(micro(a) + micro(b)) / 1e6;

// Leafs of the priced units, added up into their totals; input_tokens as asked.
function usageOf(prices, inputTotal) {
	const priced = Object.keys(prices).map((k) => byKey[k]).filter((u) => u && u !== 'requests');
	const usage = {};
	for (const unit of priced) {
		if (chance(25) && unit !== 'input_tokens' && unit !== 'output_tokens') continue;
		const amount = quantity(unit);
		usage[unit] = add(usage[unit] ?? 0, amount);
		for (const total of priced) if (below[total].includes(unit)) usage[total] = add(usage[total] ?? 0, amount);
	}
	for (const unit of Object.keys(usage))
		for (const total of priced) if (below[total].includes(unit)) usage[total] ??= 0;
	if (inputTotal !== undefined && usage.input_tokens !== undefined) {
		// scale the parts down so that the total can be what is asked for
		const parts = Object.keys(usage).filter((u) => below.input_tokens.includes(u));
		const share = usage.input_tokens > inputTotal ? inputTotal / (usage.input_tokens + 1) / 2 : 1;
		if (share < 1) {
			const fresh = usageOf(Object.fromEntries(Object.entries(prices).filter(([k]) => !parts.includes(byKey[k]))));
			return { ...fresh, input_tokens: inputTotal };
		}
		usage.input_tokens = inputTotal;
	}
	// parts without a price of their own are part of their total
	if (usage.output_tokens > 2 && chance(30) && !priced.includes('output_reasoning_tokens'))
		usage.output_reasoning_tokens = Math.max(usage.output_reasoning_tokens ?? 0, 1 + random(Math.floor(usage.output_tokens / 2)));
	return usage;
}

function contradiction(prices) {
	const usage = usageOf(prices);
	const totals = Object.keys(usage).filter((u) => below[u].some((d) => usage[d] > 0));
	if (totals.length > 0 && chance(50)) {
		const total = one(totals);
		const part = one(below[total].filter((d) => usage[d] > 0));
		usage[part] = add(usage[total], 1 + random(1000));
	} else if (totals.length > 0) delete usage[one(totals)];
	else if (usage.input_tokens !== undefined) usage.cache_read_tokens = usage.input_tokens + 1;
	return usage;
}

// ---------------------------------------------------------------- names and times

function samples(match, list = []) {
	for (const part of match.or ?? match.and ?? []) samples(part, list);
	if (match.equals) list.push(match.equals);
	if (match.starts_with) list.push(match.starts_with, `${match.starts_with}-x`);
	if (match.ends_with) list.push(`x-${match.ends_with}`);
	if (match.contains) list.push(match.contains, `a-${match.contains}-z`);
	if (match.regex && !match.regex.includes('(?'))
		list.push(match.regex.replace(/^\^|\$$/g, '').replace(/\\d\{(\d)\}/g, (_, n) => '20261231'.slice(0, Number(n)))
			.replace(/\\d/g, '7').replace(/\[134\]/g, '3').replace(/\\([.[\]])/g, '$1'));
	return list;
}

const compact = (name) => name.replace(/-(20\d\d)-(\d\d)-(\d\d)/g, '-$1$2$3');
const now = new Date('2026-10-01T12:00:00Z');

function times(model) {
	const list = [now];
	if (!Array.isArray(model.prices)) return list;
	for (const { constraint } of model.prices) {
		if (constraint?.start_date) {
			const at = Date.parse(constraint.start_date);
			list.push(new Date(at - 1), new Date(at), new Date(at + 1));
		}
		for (const clock of [constraint?.start_time, constraint?.end_time].filter(Boolean)) {
			for (const day of ['2025-07-01', '2026-10-03']) {
				const at = Date.parse(`${day}T${clock}`);
				list.push(new Date(at - 1), new Date(at), new Date(at + 1));
			}
		}
	}
	list.push(new Date('2020-02-29T23:59:59.999Z'), new Date('2030-01-01T00:00:00Z'));
	return list;
}

// ---------------------------------------------------------------- generation

const catalogue = await waitForUpdate();
for (const provider of catalogue) {
	const aliases = provider.provider_match ? samples(provider.provider_match).slice(0, 4) : [];
	for (const model of provider.models) {
		const sets = Array.isArray(model.prices) ? model.prices.map((p) => p.prices) : [model.prices];
		const starts = [...new Set(sets.flatMap((s) => Object.values(s)).flatMap((p) => (p.tiers ?? []).map((t) => t.start)))];
		const called = [...new Set([model.id, ...samples(model.match)])];

		for (const name of called) {
			emit(provider.id, name, { input_tokens: 1000, output_tokens: 100 }, now, 'name');
			if (chance(20)) emit(provider.id.toUpperCase(), ` ${name.toUpperCase()} `, { input_tokens: 10 }, now, 'letter case');
			if (compact(name) !== name) emit(provider.id, compact(name), { input_tokens: 1000, output_tokens: 100 }, now, 'compact date');
			if (chance(10)) emit('litellm', `${provider.id}/${name}`, { input_tokens: 1000 }, now, 'proxy');
			if (chance(5)) emit('litellm', name, { input_tokens: 1000 }, now, 'proxy');
			for (const alias of aliases) if (chance(10)) emit(alias, name, { input_tokens: 1000 }, now, 'provider alias');
		}
		for (const at of times(model)) {
			const count = Math.ceil(factor * (at === now ? 26 : 8));
			for (const prices of sets) {
				const name = one(called);
				for (let i = 0; i < count; i++) emit(provider.id, chance(60) ? model.id : name, usageOf(prices), at, 'usage');
				for (let i = 0; i < Math.ceil(count / 6); i++) emit(provider.id, model.id, contradiction(prices), at, 'contradiction');
				for (const start of starts)
					for (const total of [start - 1, start, start + 1, start * 3])
						for (let i = 0; i < Math.ceil(factor * 8); i++) emit(provider.id, model.id, usageOf(prices, total), at, 'tier');
				emit(provider.id, model.id, {}, at, 'nothing used');
				emit(provider.id, model.id, { ...usageOf(prices), [one(names)]: 1 + random(9) }, at, 'extra unit');
				if (prices.audio_hours !== undefined) {
					for (const s of [0.001, 1, 9.999, 10, 10.001, 3599.999, 7200]) {
						emit(provider.id, model.id, { audio_seconds: s }, at, 'seconds');
						emit(provider.id, model.id, { input_audio_seconds: s }, at, 'seconds');
						emit(provider.id, model.id, { audio_seconds: s, input_audio_seconds: s }, at, 'seconds');
					}
				}
			}
		}
	}
	for (const fallback of provider.fallback_model_providers ?? []) {
		for (const model of catalogue.find((p) => p.id === fallback).models)
			emit(provider.id, model.id, { input_tokens: 1000, output_tokens: 100 }, now, 'fallback');
	}
	emit(provider.id, 'no such model', { input_tokens: 1 }, now, 'unknown');
}
emit('no such provider', 'gpt-4o', { input_tokens: 1 }, now, 'unknown');

if (mismatches > 0) {
	process.stderr.write(`${mismatches} amounts do not agree with the oracle's own\n`);
	process.exit(1);
}
process.stdout.write(out.join('\n') + '\n');
