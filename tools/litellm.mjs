// Cases of the differential test of LiteLLM's price catalogue.
//
//     node litellm.mjs [SEED [MODELS [CATALOGUE]]]
//
// Writes litellm.json, a generated catalogue that has every kind of key (or
// takes CATALOGUE, a model_prices_and_context_window.json), and litellm.tsv,
// COPY text:
//
//     id  provider  model  usage  at  tier  region  kind  amount  note
//
// The oracle is LiteLLM's cost calculation, told from its source: which rate
// applies (service tier, context length, steps, hours) and to how many tokens.
// It is done twice: `strict` as LiteLLM does, and `documented` with the
// differences of docs/litellm-prices.md.  Both are exact, over BigInt; the
// second is rounded by component, half to even, to 1e-12.
//
//     kind       aiusage has to say
//     same       this amount, which is also LiteLLM's
//     differs    this amount; note: why LiteLLM's is another
//     unpriced   a reason, or UA422; note: which
import fs from 'node:fs';
import { decimal, generator, halfEven, micro, rational } from './exact.mjs';

const { random, one, chance } = generator(process.argv[2] ?? 20261127);
const wanted = Number(process.argv[3] ?? 400);

// ---------------------------------------------------------------- fractions

const zero = [0n, 1n];
const mul = ([a, b], [c, d]) => [a * c, b * d];
const add = ([a, b], [c, d]) => [a * d + c * b, b * d];
const same = ([a, b], [c, d]) => a * d === c * b;
const times = (rate, count) => mul(rate, [micro(count), 1000000n]);
const number = (v) => typeof v === 'number';

// ---------------------------------------------------------------- what a key says

const suffix = { flex: '_flex', priority: '_priority', fast: '_priority', ultrafast: '_ultrafast' };
const thresholds = (entry, component) => Object.keys(entry).map((k) => k.match(/^(.+)_above_(\d+)(k?)_tokens(_[a-z]+)?$/))
	.filter((m) => m && m[1] === component).map((m) => ({ text: `${m[2]}${m[3]}`, n: Number(m[2]) * (m[3] ? 1000 : 1) }))
	.filter((t, i, all) => all.findIndex((o) => o.n === t.n) === i).sort((a, b) => b.n - a.n);
const passed = (provider, n, limit) => n > limit || (provider === 'xai' && n === limit);

function step(entry, n) {
	const steps = entry.tiered_pricing;
	if (!Array.isArray(steps) || !steps.every((s) => s.range && number(s.input_cost_per_token))) return null;
	const sorted = [...steps].sort((a, b) => a.range[0] - b.range[0]);
	return sorted.find((s) => s.range[0] < n && n <= s.range[1]) ?? (n > 0 ? sorted.at(-1) : sorted[0]);
}

const days = { mon: 1, tue: 2, wed: 3, thu: 4, fri: 5, sat: 6, sun: 7 };
function offPeak(entry, at) {
	const block = entry.off_peak_pricing;
	if (!block) return null;
	const minute = at.getUTCHours() * 60 + at.getUTCMinutes();
	const open = (hours) => [hours].flat().some((h) => {
		const [from, to] = h.split('-').map((t) => Number(t.split(':')[0]) * 60 + Number(t.split(':')[1]));
		return from < to ? from <= minute && minute < to : minute >= from || minute < to;
	});
	const shift = block.weekday_timezone === 'Asia/Shanghai' ? 8 : 0;	// the only zone that the generator uses
	const day = new Date(at.getTime() + shift * 3600000).getUTCDay() || 7;
	const on = (list) => !list || list.some((d) => (number(d) ? d : days[d.slice(0, 3).toLowerCase()]) === day);
	return (block.hours_utc && open(block.hours_utc)) || (block.windows ?? []).some((w) => open(w.hours_utc) && on(w.weekdays)) ? block : null;
}

// ---------------------------------------------------------------- LiteLLM, strictly

// Token costs only, as its generic calculation has them; null: not by that calculation.
function strict(entry, provider, r) {
	if (r.tier === 'batch' || provider === 'perplexity') return null;
	const fast = r.tier === 'fast' && number(entry.provider_specific_entry?.fast);
	const tier = fast ? undefined : suffix[r.tier];
	const cost = (key, otherwise = zero) => {
		if (number(entry[key])) return rational(entry[key]);
		for (const s of ['_ultrafast', '_priority', '_flex'])
			if (key.includes(s)) return number(entry[key.replace(s, '')]) ? rational(entry[key.replace(s, '')]) : otherwise;
		return otherwise;
	};
	const key = (base) => base + (tier ?? '');
	const u = (unit) => r.usage[unit] ?? 0;
	const n = u('input_tokens');
	const s = step(entry, n);
	let rates;
	if (s && n > 0) {
		const of = (...keys) => rational(keys.map((k) => s[k]).find(Boolean) ?? 0);
		const writes = of('cache_creation_input_token_cost', 'input_cost_per_token');
		const hour = of('cache_creation_input_token_cost_above_1hr', 'cache_creation_input_token_cost');
		rates = { input: of('input_cost_per_token'), output: 'output_cost_per_token' in s ? of('output_cost_per_token') : cost('output_cost_per_token'),
			writes, hour: hour[0] === 0n ? writes : hour, reads: of('cache_read_input_token_cost', 'input_cost_per_token') };
	} else {
		rates = { input: cost(key('input_cost_per_token')), output: cost(key('output_cost_per_token')), writes: cost(key('cache_creation_input_token_cost')),
			hour: cost('cache_creation_input_token_cost_above_1hr'), reads: cost(key('cache_read_input_token_cost')) };
		if (rates.output[0] === 0n && number(entry.output_cost_per_image_token)) rates.output = rational(entry.output_cost_per_image_token);
		const cliff = thresholds(entry, 'input_cost_per_token').filter((t) => number(entry[`input_cost_per_token_above_${t.text}_tokens`])).find((t) => passed(provider, n, t.n));
		if (cliff) {
			const above = (base, otherwise) => cost(key(`${base}_above_${cliff.text}_tokens`), otherwise);
			rates = { input: above('input_cost_per_token', rates.input), output: above('output_cost_per_token', rates.output), writes: above('cache_creation_input_token_cost', rates.writes),
				hour: above('cache_creation_input_token_cost_above_1hr', rates.hour), reads: above('cache_read_input_token_cost', rates.reads) };
		}
	}
	const night = offPeak(entry, r.at) ?? {};
	for (const [name, k] of Object.entries({ input: 'input_cost_per_token', output: 'output_cost_per_token', reads: 'cache_read_input_token_cost',
		writes: 'cache_creation_input_token_cost', hour: 'cache_creation_input_token_cost_above_1hr' })) if (number(night[k])) rates[name] = rational(night[k]);

	let reasoning = rates.output;
	if (number(night.output_cost_per_reasoning_token)) reasoning = rational(night.output_cost_per_reasoning_token);
	else if (s && n > 0 && (s.output_cost_per_reasoning_token || 'output_cost_per_token' in s)) reasoning = rational(s.output_cost_per_reasoning_token || s.output_cost_per_token);
	else if (tier && number(entry[`output_cost_per_reasoning_token${tier}`])) reasoning = rational(entry[`output_cost_per_reasoning_token${tier}`]);
	else if (!(tier && number(entry[`output_cost_per_token${tier}`])) && number(entry.output_cost_per_reasoning_token)) reasoning = rational(entry.output_cost_per_reasoning_token);

	const part = (m) => u(`input_${m}_tokens`) - u(`cache_${m}_read_tokens`) - u(`cache_${m}_write_tokens`);
	const out = (m) => u(`output_${m}_tokens`) - u(`output_${m}_reasoning_tokens`);
	const flat = (k, otherwise) => (number(entry[k]) ? rational(entry[k]) : otherwise);
	const hourly = u('cache_write_1h_tokens');
	let total = times(rates.input, n - u('cache_read_tokens') - u('cache_write_tokens') - part('audio') - part('image') - part('video'));
	total = add(total, times(rates.reads, u('cache_read_tokens')));
	total = add(total, times(rates.writes, u('cache_write_tokens') - hourly));
	total = add(total, times(rates.hour, hourly));
	total = add(total, times(cost(key('input_cost_per_audio_token')), part('audio')));
	total = add(total, times(flat('input_cost_per_image_token', cost('input_cost_per_token')), part('image')));
	total = add(total, times(flat('input_cost_per_video_token', cost('input_cost_per_token')), part('video')));
	total = add(total, times(rates.output, u('output_tokens') - u('output_reasoning_tokens') - out('audio') - out('image') - out('video')));
	total = add(total, times(reasoning, u('output_reasoning_tokens')));
	for (const m of ['audio', 'image', 'video']) total = add(total, times(flat(`output_cost_per_${m}_token`, rates.output), out(m)));
	for (const [unit, k] of [['input_characters', 'input_cost_per_character'], ['input_images', 'input_cost_per_image'], ['input_video_seconds', 'input_cost_per_video_per_second']])
		if (r.usage[unit]) total = add(total, times(cost(k), r.usage[unit]));
	return mul(total, factor(entry, r));
}

// What everything that is not a tool is multiplied by.
function factor(entry, r) {
	const region = r.region?.toLowerCase();
	let f = r.tier === 'fast' && number(entry.provider_specific_entry?.fast) ? rational(entry.provider_specific_entry.fast) : [1n, 1n];
	if (region === undefined) return f;
	if (number(entry[`regional_processing_uplift_multiplier_${region}`])) f = mul(f, rational(entry[`regional_processing_uplift_multiplier_${region}`]));
	else if (region !== 'fast' && number(entry.provider_specific_entry?.[region])) f = mul(f, rational(entry.provider_specific_entry[region]));
	else if (number(entry.regional_endpoint_uplift_multiplier) && region !== 'global') f = mul(f, rational(entry.regional_endpoint_uplift_multiplier));
	return f;
}

// ---------------------------------------------------------------- as documented

const tokens = {
	input_tokens: 'input_cost_per_token', cache_read_tokens: 'cache_read_input_token_cost', cache_write_tokens: 'cache_creation_input_token_cost',
	cache_write_1h_tokens: 'cache_creation_input_token_cost_above_1hr', output_tokens: 'output_cost_per_token',
	output_reasoning_tokens: 'output_cost_per_reasoning_token', output_citation_tokens: 'citation_cost_per_token',
};
for (const m of ['audio', 'image', 'video']) {
	tokens[`input_${m}_tokens`] = `input_cost_per_${m}_token`;
	tokens[`output_${m}_tokens`] = `output_cost_per_${m}_token`;
	tokens[`cache_${m}_read_tokens`] = `cache_read_input_${m}_token_cost`;
	tokens[`cache_${m}_write_tokens`] = `cache_creation_input_${m}_token_cost`;
}
const stepped = ['input_cost_per_token', 'output_cost_per_token', 'output_cost_per_reasoning_token', 'cache_read_input_token_cost',
	'cache_creation_input_token_cost', 'cache_creation_input_token_cost_above_1hr'];

// The price keys of other units: the first that is not zero, else the first.
function otherKeys(unit, mode, perPrompt) {
	const audio = /^(audio_|realtime)/.test(mode);
	const video = /^video_/.test(mode);
	const sized = unit.match(/^images_(\d+|2k|4k)$/)?.[1];
	const film = unit.match(/^video_seconds_(.+)$/)?.[1];
	if (film) return [`output_cost_per_second_${film}`];
	if (sized) return [`output_cost_per_image_${sized}`, `output_cost_per_image_${{ 512: '0.5K', 1024: '1K', '2k': '2K', '4k': '4K' }[sized]}`];
	return {
		input_characters: ['input_cost_per_character'], output_characters: ['output_cost_per_character'],
		input_images: ['input_cost_per_image'], output_images: ['output_cost_per_image', ...(/^image_/.test(mode) ? ['input_cost_per_image'] : [])],
		input_pixels: ['input_cost_per_pixel'], output_pixels: ['output_cost_per_pixel', ...(/^image_/.test(mode) ? ['input_cost_per_pixel'] : [])],
		input_document_pages: ['ocr_cost_per_page'], credits: ['ocr_cost_per_credit'], requests: ['input_cost_per_request'],
		queries: ['input_cost_per_query'], rerank_searches: /^rerank/.test(mode) ? ['input_cost_per_query'] : [],
		audio_seconds: audio ? ['output_cost_per_second', 'input_cost_per_second'] : ['input_cost_per_audio_per_second', 'output_cost_per_audio_per_second'],
		input_video_seconds: ['input_cost_per_video_per_second', ...(video ? ['input_cost_per_second'] : [])],
		output_video_seconds: ['output_cost_per_video_per_second', ...(video ? ['output_cost_per_second'] : [])],
		compute_seconds: audio || video ? [] : ['input_cost_per_second', 'output_cost_per_second'],
		maps_queries: ['google_maps_grounding_cost_per_query'], code_sessions: ['code_interpreter_cost_per_session'],
		file_searches: ['file_search_cost_per_1k_calls'], storage_gb_days: ['file_search_cost_per_gb_per_day', 'vector_store_cost_per_gb_per_day'],
		web_searches: [...(perPrompt ? [] : ['search_context_size_medium']), ...(/^search/.test(mode) ? ['input_cost_per_query'] : [])],
		web_searches_low_context: perPrompt ? [] : ['search_context_size_low'], web_searches_medium_context: perPrompt ? [] : ['search_context_size_medium'],
		web_searches_high_context: perPrompt ? [] : ['search_context_size_high'], grounded_prompts: perPrompt ? ['search_context_size_medium'] : [],
	}[unit] ?? [];
}
const isTool = (unit) => /^(web_searches|grounded_|maps_|code_|file_|storage_|guardrail_|(in|out)put_dbu$)/.test(unit);

// Guardrails by the provider's counter; money for a DBU.
function special(entry, unit) {
	const guardrails = entry.guardrail_cost_per_unit;
	const counters = typeof guardrails === 'object' ? Object.entries(guardrails) : [];
	const snake = (c) => `guardrail_${c.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()}`;
	if (unit === 'guardrail_units') {
		const values = number(guardrails) ? [guardrails] : counters.map(([, v]) => v);
		return values.length > 0 && values.every((v) => v === values[0]) ? rational(values[0]) : undefined;
	}
	if (unit.startsWith('guardrail_')) return counters.filter(([c]) => snake(c) === unit).map(([, v]) => rational(v))[0];
	const [money, dbus] = unit === 'input_dbu' ? [entry.input_cost_per_token, entry.input_dbu_cost_per_token]
		: unit === 'output_dbu' ? [entry.output_cost_per_token, entry.output_dbu_cost_per_token] : [];
	if (!number(money) || !(dbus > 0)) return undefined;
	const [n, d] = rational(dbus);
	return mul(rational(money), [d, n]);
}

const tierKeys = (entry, tier) => Object.keys(entry).filter((k) => number(entry[k]) && k.endsWith(tier === 'batch' ? '_batches' : suffix[tier])
	&& !(step(entry, 1) && stepped.includes(k.replace(/_above_\d+k?_tokens/, '').replace(/_[a-z]+$/, ''))));

const priceable = (entry) => Object.keys(entry).filter((k) => (number(entry[k]) || typeof entry[k] === 'object') && /cost|pricing/.test(k));

// {amount} in 1e-12, exact too, or {unpriced}
function documented(entry, provider, r) {
	entry = { cache_read_input_token_cost: entry.input_cost_per_token_cache_hit, ...entry };
	if (priceable(entry).length === 0 && !r.extra) return { unpriced: r.regions ? 'no_rule' : 'no_prices' };
	const standard = !r.tier || ['standard', 'default', 'auto', 'on_demand'].includes(r.tier);
	const fast = r.tier === 'fast' && number(entry.provider_specific_entry?.fast);
	if (!standard && !fast && !(suffix[r.tier] || r.tier === 'batch')) return { unpriced: 'no_rule' };
	if (!standard && !fast && tierKeys(entry, r.tier).length === 0) return { unpriced: 'no_rule' };
	const tier = standard || fast ? undefined : r.tier === 'batch' ? '_batches' : suffix[r.tier];
	const perPrompt = entry.web_search_billing_unit ? entry.web_search_billing_unit === 'per_prompt'
		: /^(gemini|vertex_ai|vertex_ai-(language|image|vision)-models)$/.test(entry.litellm_provider);
	const n = r.usage.input_tokens ?? 0;
	const s = step(entry, n);
	const night = offPeak(entry, r.at);
	const named = s && entry.tiered_pricing.flatMap((x) => Object.keys(x));
	const priced = new Map();
	const own = (k, t) => (number(entry[k + (t ?? '')]) ? entry[k + (t ?? '')] : undefined);

	function find(component) {
		if (night && number(night[component])) return night[component];
		if (s && stepped.includes(component) && (component !== 'output_cost_per_token' || named.includes(component))) {
			if (!named.includes(component)) return undefined;
			return { output_cost_per_token: [s.output_cost_per_token, entry.output_cost_per_token],
				output_cost_per_reasoning_token: [s.output_cost_per_reasoning_token, s.output_cost_per_token, entry.output_cost_per_token],
				cache_creation_input_token_cost_above_1hr: [s[component], s.cache_creation_input_token_cost, s.input_cost_per_token] }[component]?.find(number)
				?? s[component] ?? (component === 'output_cost_per_token' ? undefined : s.input_cost_per_token);
		}
		if (component === 'output_cost_per_reasoning_token' && tier && own('output_cost_per_token', tier) !== undefined && own(component, tier) === undefined) return undefined;
		const below = own(component, tier) ?? own(component);
		for (const t of thresholds(entry, component)) {
			const value = own(`${component}_above_${t.text}_tokens`, tier) ?? own(`${component}_above_${t.text}_tokens`);
			if (value !== undefined && passed(provider, n, t.n)) return value;
		}
		return below ?? (component.startsWith('search_') ? entry.search_context_cost_per_query?.[component] : undefined);
	}
	// What has a price above a context length only costs what its total does below.
	const parent = (unit) => (unit.startsWith('output_') ? 'output_tokens'
		: unit === 'cache_write_1h_tokens' && priced.has('cache_write_tokens') ? 'cache_write_tokens' : 'input_tokens');
	const cliffs = (component) => thresholds(entry, component).some((t) => number(own(`${component}_above_${t.text}_tokens`, tier) ?? own(`${component}_above_${t.text}_tokens`)));
	for (const [unit, component] of Object.entries(tokens)) {
		const value = find(component);
		if (number(value)) priced.set(unit, rational(value));
		else if (!(s && stepped.includes(component)) && cliffs(component) && priced.has(parent(unit))) priced.set(unit, priced.get(parent(unit)));
	}
	const from = (unit, source) => { if (!priced.has(unit) && priced.has(source)) priced.set(unit, priced.get(source)); };
	const has = (...list) => list.every((x) => priced.has(x));
	const media = ['audio', 'image', 'video'];
	const reads = media.filter((m) => has(`cache_${m}_read_tokens`));
	const writes = media.filter((m) => has(`cache_${m}_write_tokens`));
	from('output_tokens', 'output_image_tokens');
	if (reads.length) from('cache_read_tokens', 'input_tokens');
	if (writes.length || has('cache_write_1h_tokens')) from('cache_write_tokens', 'input_tokens');
	for (const m of [...reads, ...writes]) from(`input_${m}_tokens`, 'input_tokens');
	for (const m of media) {
		if (has('cache_read_tokens', `input_${m}_tokens`)) from(`cache_${m}_read_tokens`, 'cache_read_tokens');
		if (has('cache_write_tokens', `input_${m}_tokens`)) from(`cache_${m}_write_tokens`, 'cache_write_tokens');
		if (has('output_reasoning_tokens', `output_${m}_tokens`)) from(`output_${m}_reasoning_tokens`, 'output_reasoning_tokens');
	}

	// exclusive counts, each to the most specific unit that has a price
	const u = (unit) => r.usage[unit] ?? 0;
	const bill = new Map();
	let lost;
	const charge = (count, ...units) => {
		if (count === 0) return;
		const unit = units.find((x) => priced.has(x));
		if (unit === undefined) lost = units.at(-1);
		else bill.set(unit, (bill.get(unit) ?? 0) + count);
	};
	let inside = 0;
	let insideOut = u('output_reasoning_tokens') + u('output_citation_tokens');
	for (const m of media) {
		const cached = u(`cache_${m}_read_tokens`);
		const written = u(`cache_${m}_write_tokens`);
		const thought = u(`output_${m}_reasoning_tokens`);
		charge(cached, `cache_${m}_read_tokens`, 'cache_read_tokens', `input_${m}_tokens`, 'input_tokens');
		charge(written, `cache_${m}_write_tokens`, 'cache_write_tokens', `input_${m}_tokens`, 'input_tokens');
		charge(u(`input_${m}_tokens`) - cached - written, `input_${m}_tokens`, 'input_tokens');
		inside += u(`input_${m}_tokens`);
		charge(thought, `output_${m}_reasoning_tokens`, 'output_reasoning_tokens', `output_${m}_tokens`, 'output_tokens');
		charge(u(`output_${m}_tokens`) - thought, `output_${m}_tokens`, 'output_tokens');
		insideOut += u(`output_${m}_tokens`) - thought;
	}
	const overlap = (kind) => media.reduce((sum, m) => sum + u(`cache_${m}_${kind}_tokens`), 0);
	const cached = u('cache_read_tokens') - overlap('read');
	const hourly = u('cache_write_1h_tokens');
	const written = u('cache_write_tokens') - hourly - overlap('write');
	charge(cached, 'cache_read_tokens', 'input_tokens');
	charge(hourly, 'cache_write_1h_tokens', 'cache_write_tokens', 'input_tokens');
	charge(written, 'cache_write_tokens', 'input_tokens');
	charge(n - inside - cached - hourly - written, 'input_tokens');
	charge(u('output_reasoning_tokens') - media.reduce((sum, m) => sum + u(`output_${m}_reasoning_tokens`), 0), 'output_reasoning_tokens', 'output_tokens');
	charge(u('output_citation_tokens'), 'output_citation_tokens', 'output_tokens');
	charge(u('output_tokens') - insideOut, 'output_tokens');
	if (n > 0 && !priced.has('input_tokens')) lost = 'input_tokens';
	if (u('output_tokens') > 0 && !priced.has('output_tokens')) lost = 'output_tokens';

	// everything else
	const bands = entry.tiered_pricing?.every((x) => x.max_results_range && number(x.input_cost_per_query)) ? [...entry.tiered_pricing].sort((a, b) => a.max_results_range[0] - b.max_results_range[0]) : null;
	const band = bands && (bands.find((b) => u('search_results') <= b.max_results_range[1]) ?? bands.at(-1));
	const usage = { requests: 1, ...r.usage };
	for (const [unit, count] of Object.entries(usage)) {
		if (/_tokens$/.test(unit) || count === 0) continue;
		if (band && unit === 'search_results') continue;
		const values = otherKeys(unit, entry.mode ?? '', perPrompt)
			.map((k) => (band && k === 'input_cost_per_query' ? band.input_cost_per_query : find(k))).filter(number);
		const value = values.find((v) => v > 0) ?? (r.extra?.[unit] ? undefined : values[0]);
		const rate = value !== undefined ? mul(rational(value), unit === 'file_searches' ? [1n, 1000n] : [1n, 1n]) : special(entry, unit) ?? r.extra?.[unit];
		if (rate === undefined) {
			if (unit !== 'requests') lost = unit;
			continue;
		}
		priced.set(unit, rate);
		bill.set(unit, count);
	}
	if (lost !== undefined) {
		if (priced.size > 0 || r.extra || tier || priceable(entry).some((k) => !/_(flex|priority|batches|ultrafast)$/.test(k))) return { unpriced: 'unit' };
		return { unpriced: 'no_rule' };
	}

	const f = factor(entry, r);
	let amount = 0n;
	let exact = zero;
	for (const [unit, count] of bill) {
		const cost = mul(times(priced.get(unit), count), isTool(unit) || r.extra?.[unit] ? [1n, 1n] : f);
		exact = add(exact, cost);
		amount += halfEven(cost[0] * 10n ** 12n, cost[1]);
	}
	return { amount, exact };
}

// ---------------------------------------------------------------- the catalogue

const family = (p) => p.replace(/^vertex_ai-.*/, 'vertex_ai').replace(/^([a-z0-9_]+)-.*models$/, '$1').replace(/^text-completion-/, '')
	.replace(/^(bedrock)_converse$|^(azure)_text$|^(cohere)_chat$/, '$1$2$3');

function generate() {
	const catalogue = { sample_spec: { litellm_provider: 'one of', input_cost_per_token: 'text' } };
	const rate = () => one([0, 1e-7, 2.5e-6, 1.25e-7, 3e-6, 2.9999900000000002e-6, 7.5e-5, 1.00002e-6, Number(`${1 + random(99999)}e-${9 + random(3)}`)]);
	const maybe = (entry, percent, ...keys) => { for (const k of keys) if (chance(percent)) entry[k] = rate(); };
	const base = ['input_cost_per_token', 'output_cost_per_token'];
	const cache = ['cache_read_input_token_cost', 'cache_creation_input_token_cost', 'cache_creation_input_token_cost_above_1hr'];
	const modal = ['audio', 'image', 'video'].flatMap((m) => [`input_cost_per_${m}_token`, `output_cost_per_${m}_token`]);
	for (let i = 0; i < wanted; i++) {
		const provider = one(['openai', 'azure', 'anthropic', 'xai', 'gemini', 'vertex_ai-language-models', 'vertex_ai-anthropic_models', 'bedrock_converse', 'fireworks_ai', 'perplexity', 'acme']);
		const mode = one(['chat', 'chat', 'chat', 'responses', 'embedding', 'image_generation', 'audio_transcription', 'video_generation', 'rerank', 'search', 'ocr', undefined]);
		const entry = { litellm_provider: provider, max_tokens: 1000, supports_vision: true };
		if (mode) entry.mode = mode;
		const chat = ['chat', 'responses', 'embedding', undefined].includes(mode);
		maybe(entry, chat ? 95 : 30, ...base);
		if (chat) {
			maybe(entry, 60, ...cache, 'output_cost_per_reasoning_token');
			maybe(entry, 25, ...modal);
			maybe(entry, 10, 'cache_read_input_audio_token_cost', 'cache_creation_input_audio_token_cost', 'cache_read_input_image_token_cost');
			if (provider === 'perplexity') maybe(entry, 80, 'citation_cost_per_token');
			else if (chance(3)) entry.input_cost_per_token_cache_hit = rate();
			for (const t of ['flex', 'priority', 'batches', 'ultrafast'])
				if (chance(20)) maybe(entry, 60, ...[...base, ...cache.slice(0, 2), 'output_cost_per_reasoning_token', 'input_cost_per_audio_token'].map((k) => `${k}_${t}`));
			if (chance(30)) {
				for (const limit of chance(80) ? [one(['32k', '128k', '200k', '256k', '272k', '512k'])] : ['128k', '256k']) {
					maybe(entry, 85, ...[...base, ...cache].map((k) => `${k}_above_${limit}_tokens`));
					if (chance(40)) maybe(entry, 60, ...[...base, ...cache.slice(0, 2)].map((k) => `${k}_above_${limit}_tokens_${one(['priority', 'flex', 'batches'])}`));
				}
			} else if (chance(15)) {
				const ends = [0, 32000, 128000, 256000, 1000000].slice(0, 3 + random(3));
				entry.tiered_pricing = ends.slice(1).map((end, k) => {
					const step = { range: [ends[k], end], input_cost_per_token: rate(), output_cost_per_token: rate() };
					maybe(step, 50, ...cache.slice(0, 2), 'output_cost_per_reasoning_token');
					return step;
				});
				if (chance(70)) for (const k of base) delete entry[k];
			}
			if (chance(12)) {
				entry.off_peak_pricing = {};
				maybe(entry.off_peak_pricing, 70, ...base, ...cache, 'output_cost_per_reasoning_token');
				if (chance(50)) entry.off_peak_pricing.hours_utc = one(['16:30-00:30', ['01:00-02:00', '22:00-22:00'], ['12:00-13:00', '20:15-04:45']]);
				else Object.assign(entry.off_peak_pricing, { weekday_timezone: one(['UTC', 'Asia/Shanghai']),
					windows: [{ hours_utc: one(['14:00-18:00', '00:00-00:00', '20:00-04:00']), weekdays: one([[1, 2, 3], ['Sat', 'sunday'], [7], ['fri', 1]]) }, { hours_utc: '09:00-10:00' }] });
			}
			if (chance(12)) for (const r of ['eu', 'us']) entry[`regional_processing_uplift_multiplier_${r}`] = one([1.1, 1.25, 1]);
			else if (chance(8)) entry.regional_endpoint_uplift_multiplier = 1.1;
			if (provider === 'anthropic' && chance(50)) entry.provider_specific_entry = { us: 1.1, ...(chance(50) ? { fast: 6 } : {}) };
			if (chance(25)) {
				entry.search_context_cost_per_query = { search_context_size_low: 0.01, search_context_size_medium: 0.0125, search_context_size_high: 0.03 };
				if (chance(50)) entry.web_search_billing_unit = one(['per_query', 'per_prompt']);
			}
			maybe(entry, 8, 'google_maps_grounding_cost_per_query', 'code_interpreter_cost_per_session', 'file_search_cost_per_1k_calls', 'vector_store_cost_per_gb_per_day',
				'input_cost_per_request', 'input_cost_per_character', 'output_cost_per_character', 'input_cost_per_audio_per_second', 'input_cost_per_video_per_second', 'input_cost_per_image',
				'input_dbu_cost_per_token', 'output_dbu_cost_per_token', 'input_cost_per_second', 'output_cost_per_second');
			if (chance(4)) entry.guardrail_cost_per_unit = one([{ contentPolicyUnits: 0.00015, topicPolicyUnits: 0.0001 }, { contentPolicyUnits: 0.5, wordPolicyUnits: 0.5 }, 0.25]);
		}
		if (/^image_/.test(mode)) maybe(entry, 40, 'output_cost_per_image', 'input_cost_per_image', 'input_cost_per_pixel', 'output_cost_per_pixel', 'output_cost_per_image_512', 'output_cost_per_image_1024', 'output_cost_per_image_1536',
			'output_cost_per_image_2K', 'output_cost_per_image_4K', 'output_cost_per_image_token', 'input_cost_per_image_token', 'cache_read_input_token_cost');
		if (/^audio_/.test(mode)) maybe(entry, 60, 'input_cost_per_second', 'output_cost_per_second', 'input_cost_per_audio_token', 'output_cost_per_audio_token');
		if (/^video_/.test(mode)) maybe(entry, 50, 'output_cost_per_second', 'output_cost_per_video_per_second', ...['480p', '720p', '768p', '1080p', '2k', '4k'].map((x) => `output_cost_per_second_${x}`), 'output_cost_per_video_token');
		if (/^(rerank|search)$/.test(mode)) {
			entry.input_cost_per_query = rate();
			if (chance(30)) entry.tiered_pricing = [{ max_results_range: [0, 25], input_cost_per_query: 0.005 }, { max_results_range: [26, 100], input_cost_per_query: 0.025 }];
		}
		if (mode === 'ocr') maybe(entry, 60, 'ocr_cost_per_page', 'ocr_cost_per_credit', 'ocr_cost_per_page_batches');
		const name = `${one(['large', 'small', 'v2'])}-${i}`;
		const prefix = { openai: '', anthropic: '', xai: 'xai/', 'vertex_ai-language-models': one(['', 'vertex_ai/']), bedrock_converse: '', fireworks_ai: 'fireworks_ai/accounts/fireworks/models/' }[provider] ?? `${family(provider)}/`;
		const key = prefix + (provider === 'bedrock_converse' ? `vendor.${name}` : name);
		catalogue[key] = entry;
		if (mode === 'image_generation' && /^(openai|azure)$/.test(provider) && chance(60))
			for (const size of ['1024-x-1024', '1024-x-1792'])
				for (const quality of ['', 'hd/'])
					catalogue[`${prefix}${quality}${size}/${chance(80) ? name : `${name}-only`}`] = { litellm_provider: provider, mode, ...one([{ input_cost_per_pixel: 4.0054321e-8 }, { output_cost_per_image: 0.04, input_cost_per_pixel: 0 }, { input_cost_per_image: 0.011 }]) };
		if (provider === 'bedrock_converse' && chance(30)) catalogue[`bedrock/eu-west-1/vendor.${name}`] = { litellm_provider: 'bedrock', mode: 'chat', input_cost_per_token: rate(), output_cost_per_token: rate() };
	}
	catalogue['azure/container'] = { litellm_provider: 'azure', mode: 'chat', code_interpreter_cost_per_session: 0.03 };
	return catalogue;
}

const catalogue = process.argv[4] ? JSON.parse(fs.readFileSync(process.argv[4], 'utf8')) : generate();
if (!process.argv[4]) fs.writeFileSync('litellm.json', JSON.stringify(catalogue));

// ---------------------------------------------------------------- the models and their names

const models = Object.entries(catalogue).filter(([k, e]) => k !== 'sample_spec' && k !== 'fallback_generalizations' && e.litellm_provider).map(([key, entry]) => {
	const fam = family(entry.litellm_provider);
	const head = key.slice(0, Math.max(key.indexOf('/'), 0)).replace(/-/g, '_');
	const prefixed = head !== '' && [entry.litellm_provider.replace(/-/g, '_'), fam.replace(/-/g, '_')].includes(head);
	return { key, entry, fam, prefixed, bare: prefixed ? key.slice(key.indexOf('/') + 1) : key };
});
const byName = new Map();		// provider and name without it: the entry with its provider before it is meant
for (const m of [...models].sort((a, b) => (b.prefixed - a.prefixed) || (a.key < b.key ? -1 : 1)))
	if (!byName.has(`${m.fam} ${m.bare.toLowerCase()}`)) byName.set(`${m.fam} ${m.bare.toLowerCase()}`, m);
for (const m of models) {		// bedrock/us-east-1/... is also the model without it, in that region
	const [, region, name] = m.bare.match(m.fam === 'bedrock' ? /^([a-z]{2}(?:-[a-z]+)+-\d)\/([^/]+)$/ : m.fam === 'azure' ? /^(eu|us|global)\/([^/]+)$/ : /^$()/) ?? [];
	const model = name && byName.get(`${m.fam} ${name.toLowerCase()}`);
	if (model) (model.regions ??= new Map()).set(region, m);
}
const sized = new Map();		// model -> unit -> rates
for (const m of models) {
	const part = m.bare.match(/^(?:(standard|hd|low|medium|high|xhigh)\/)?(\d{2,5})-x-(\d{2,5})\/(?!\d+-steps\/|max-steps\/)(.+)$/);
	if (!part) continue;
	const e = m.entry;
	const pixels = [e.input_cost_per_pixel || undefined, e.output_cost_per_pixel, e.input_cost_per_pixel].find(number);
	const image = [e.output_cost_per_image, e.input_cost_per_image].find(number);
	const rate = image !== undefined ? rational(image) : pixels !== undefined ? mul(rational(pixels), [BigInt(part[2]) * BigInt(part[3]), 1n]) : undefined;
	if (!rate) continue;
	if (!('output_cost_per_image' in e) && !('input_cost_per_image' in e)) m.extra = { output_images: rate };
	const side = Math.max(part[2], part[3]);
	const unit = `images_${{ 2048: '2k', 4096: '4k' }[side] ?? side}${part[1] && part[1] !== 'standard' ? `_${part[1]}` : ''}`;
	const name = `${m.fam} ${part[4].toLowerCase()}`;
	sized.set(name, sized.get(name) ?? {});
	(sized.get(name)[unit] ??= []).push(rate);
}
for (const [name, units] of sized) {
	const model = byName.get(name) ?? { key: null, entry: { litellm_provider: name.split(' ')[0], mode: 'image_generation' }, fam: name.split(' ')[0], prefixed: false, bare: name.slice(name.indexOf(' ') + 1) };
	if (!model.key) models.push(model);
	for (const [unit, rates] of Object.entries(units)) if (rates.every((x) => same(x, rates[0]))) (model.extra ??= {})[unit] = rates[0];
}
const container = new Map(models.filter((m) => m.bare === 'container' && number(m.entry.code_interpreter_cost_per_session)).map((m) => [m.fam, rational(m.entry.code_interpreter_cost_per_session)]));
for (const m of models)
	if (container.has(m.fam) && ['chat', 'responses'].includes(m.entry.mode) && !('code_interpreter_cost_per_session' in m.entry)) (m.extra ??= {}).code_sessions = container.get(m.fam);

// ---------------------------------------------------------------- cases

const out = fs.openSync('litellm.tsv', 'w');
let id = 0;
const escape = (x) => String(x).replace(/\\/g, '\\\\').replace(/\t/g, '\\t');

function why(entry, provider, r) {
	const u = (unit) => r.usage[unit] ?? 0;
	const reasons = [];
	const lacks = (unit, key) => u(unit) > 0 && !number(entry[key]) && reasons.push(`${unit} without a price of its own`);
	if (r.tier === 'batch') reasons.push('batch');
	if (provider === 'perplexity') reasons.push('perplexity');
	lacks('cache_read_tokens', 'cache_read_input_token_cost');
	lacks('cache_write_tokens', 'cache_creation_input_token_cost');
	lacks('cache_write_1h_tokens', 'cache_creation_input_token_cost_above_1hr');
	for (const m of ['audio', 'image', 'video']) {
		lacks(`input_${m}_tokens`, `input_cost_per_${m}_token`);
		if (number(entry[`cache_read_input_${m}_token_cost`]) || number(entry[`cache_creation_input_${m}_token_cost`])) reasons.push(`cached ${m} with a price of its own`);
	}
	if (Object.keys(entry).some((k) => /_above_\d+k?_tokens/.test(k)))	reasons.push('a component that the cliff of input does not move, or moves alone');
	if (entry.tiered_pricing?.some((s) => Object.values(s).includes(0))) reasons.push('zero in a step');
	if (step(entry, 1) && u('input_tokens') === 0) reasons.push('steps without input');
	if (entry.output_cost_per_token === 0 && number(entry.output_cost_per_image_token)) reasons.push('zero of output beside images');
	if (['_flex', '_priority', '_ultrafast'].some((x) => number(entry[`cache_creation_input_token_cost_above_1hr${x}`]))) reasons.push('1-hour writes of a tier');
	return reasons[0] ?? 'other';
}

function emit(m, usage, at, tier, region) {
	let there = m.regions?.get(region);	// prices of its own in that region; a rule that names the tier comes first
	if (there && tier && tier !== 'standard' && !(tier in suffix || tier === 'batch' ? tierKeys(there.entry, tier).length : 0)) there = undefined;
	const { entry, extra } = there ?? m;
	const r = { usage, at, tier, region: there ? undefined : region, extra, regions: m.regions };
	const provider = m.fam;
	const d = documented(entry, provider, r);
	const names = m.key === null ? [[m.fam, m.bare]]
		: [['litellm', m.prefixed ? m.key : null], [m.entry.litellm_provider, m.bare], [m.fam, m.bare.toUpperCase()], [m.fam, byName.has(`${m.fam} ${m.key.toLowerCase()}`) ? null : m.key], ['litellm', `${m.fam}/${m.bare}`]].filter(([, n]) => n);
	const [asProvider, asModel] = one(names);
	const tool = Object.keys(usage).some((x) => usage[x] > 0 && !/_tokens$/.test(x)) || number(entry.input_cost_per_request);
	let kind;
	let note = '';
	if (d.unpriced) [kind, note] = ['unpriced', d.unpriced];
	else if (tool) [kind, note] = ['same', 'by unit: quantity times rate'];
	else {
		const s = strict(entry, provider, r);
		if (s !== null && same(s, d.exact)) [kind, note] = ['same', 'tokens'];
		else [kind, note] = ['differs', why(entry, provider, r)];
	}
	fs.writeSync(out, `${[++id, escape(asProvider), escape(asModel), JSON.stringify(usage), at.toISOString(), tier ?? '\\N', region ?? '\\N', kind, d.unpriced ? '\\N' : decimal(d.amount), note].join('\t')}\n`);
}

function tokenUsage(entry, n) {
	const usage = {};
	let left = n;
	const take = (unit, percent, total) => {
		if (!chance(percent)) return 0;
		const count = random(Math.floor(left / 2) + 1);
		left -= count;
		usage[unit] = (usage[unit] ?? 0) + count;
		if (total) usage[total] = (usage[total] ?? 0) + count;
		return count;
	};
	take('cache_read_tokens', 50);
	take('cache_write_tokens', 40);
	take('cache_write_1h_tokens', 25, 'cache_write_tokens');
	const media = ['audio', 'image', 'video'];
	for (const m of media) take(`input_${m}_tokens`, 15);
	for (const m of media) {
		if (usage[`input_${m}_tokens`] > 0 && usage.cache_read_tokens > 0) {
			usage[`cache_${m}_read_tokens`] = 0;
			if (chance(30)) usage[`input_${m}_tokens`] += (usage[`cache_${m}_read_tokens`] = random(Math.floor(usage.cache_read_tokens / 3) + 1));
		}
		if (usage[`input_${m}_tokens`] > 0 && usage.cache_write_tokens > 0) usage[`cache_${m}_write_tokens`] = 0;
		if (usage[`input_${m}_tokens`] > 0 && usage.cache_write_1h_tokens > 0) usage[`cache_${m}_write_1h_tokens`] = 0;
	}
	usage.input_tokens = n;
	left = one([0, 100, 5000, 70000]);
	usage.output_tokens = left;
	take('output_reasoning_tokens', 50);
	if (number(entry.citation_cost_per_token)) take('output_citation_tokens', 60);
	for (const m of media) {
		if (take(`output_${m}_tokens`, 15) === 0) continue;
		for (const kind of ['reasoning', 'citation']) if (usage[`output_${kind}_tokens`] > 0) usage[`output_${m}_${kind}_tokens`] = 0;
	}
	return usage;
}

const units = ['input_characters', 'output_characters', 'input_images', 'output_images', 'images_512', 'images_1024', 'images_1024_hd', 'images_1536', 'images_1792', 'images_1792_hd', 'images_2k', 'images_4k', 'input_pixels', 'output_pixels',
	'input_document_pages', 'credits', 'queries', 'rerank_searches', 'audio_seconds', 'input_video_seconds', 'output_video_seconds', 'video_seconds_480p', 'video_seconds_720p', 'video_seconds_768p', 'video_seconds_1080p',
	'video_seconds_2k', 'video_seconds_4k', 'compute_seconds', 'maps_queries', 'code_sessions', 'file_searches', 'storage_gb_days', 'web_searches', 'web_searches_low_context', 'web_searches_medium_context', 'web_searches_high_context',
	'grounded_prompts', 'guardrail_units', 'guardrail_content_policy_units', 'guardrail_topic_policy_units', 'input_dbu', 'output_dbu'];
const fractional = /seconds|credits|dbu|storage/;
const moment = () => new Date(Date.UTC(2026, 9, 1 + random(14), random(24), one([0, 29, 30, 59, random(60)]), one([0, 59])));

for (const m of models) {
	if (m.key !== null && byName.get(`${m.fam} ${m.bare.toLowerCase()}`) !== m) continue;	// another entry has its name
	const e = m.entry;
	const edges = [...Object.keys(e).map((k) => k.match(/_above_(\d+)(k?)_tokens/)).filter(Boolean).map((x) => x[1] * (x[2] ? 1000 : 1)),
		...(e.tiered_pricing ?? []).flatMap((s) => s.range ?? [])].filter((x) => x > 0);
	const lengths = [...new Set([1 + random(3000), ...edges.flatMap((x) => [x - 1, x, x + 1, 3 * x])])];
	const tiers = [undefined, undefined, 'standard', ...['flex', 'priority', 'fast', 'ultrafast', 'batch'].filter((t) => chance(8) || (t === 'fast' && e.provider_specific_entry?.fast) || tierKeys(e, t).length > 0)];
	const regions = [undefined, undefined, ...(Object.keys(e).some((k) => /^regional_/.test(k)) || e.provider_specific_entry ? ['eu', 'us', 'GLOBAL', 'asia-east1'] : []), ...(m.regions?.keys() ?? [])];
	if (Object.keys(e).some((k) => /token/.test(k) && number(e[k])) || step(e, 1))
		for (const n of lengths)
			for (const tier of new Set(tiers)) {
				emit(m, tokenUsage(e, n), moment(), tier, one(regions));
				if (e.off_peak_pricing) for (let i = 0; i < 6; i++) emit(m, tokenUsage(e, n), moment(), tier, one(regions));
			}
	for (const unit of units) {
		const count = fractional.test(unit) ? one([1, 0.5, 12.345678, 3600]) : 1 + random(40);
		const usage = { [unit]: count, ...(unit === 'queries' && e.tiered_pricing?.[0].max_results_range ? { search_results: one([0, 10, 25, 26, 100, 500]) } : {}) };
		const d = documented(e, m.fam, { usage, at: moment(), extra: m.extra });
		if (!d.unpriced || chance(2)) emit(m, usage, moment(), one([undefined, undefined, ...tiers]), one(regions));
	}
}
fs.closeSync(out);
