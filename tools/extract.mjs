// Cases of the differential test of extract_usage(), on standard output, as
// COPY text:
//
//     id  source  provider  flavor  body  kind  model  usage  price  leaves
//
// The oracle is extractUsage() of @pydantic/genai-prices.  Every one of its
// extractors meets generated bodies: counters missing, zero, null, negative,
// in fractions, as text, huge, nested, in lists, and others beside them; usage
// objects that are none; models that are none.  And every body of a sample
// file, when one is given, meets every extractor.
//
//     kind     what aiusage has to say
//     usage    this model and usage, to the last digit
//     big      the same, but a counter is beyond what a double holds exactly
//     refused  no usage: NULL or an error; the oracle throws
//     price    (sample only) this usage apart from zeros, and this price
//
// leaves: every number below the usage object, [path, the path in our table,
// its text], for the check that none is passed over in silence.
//
//     node extract.mjs [SEED [FACTOR [SAMPLE.json]]]
import fs from 'node:fs';
import { extractUsage, findProvider, waitForUpdate } from '@pydantic/genai-prices';

let state = BigInt(process.argv[2] ?? 20261127);
const factor = Number(process.argv[3] ?? 1);
const sample = process.argv[4];
console.warn = () => {};
const providers = await waitForUpdate();

function random(n) {			// 0 .. n - 1, the same on every machine
	state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
	return Number((state >> 33n) % BigInt(n));
}
const one = (list) => list[random(list.length)];
const chance = (percent) => random(100) < percent;

// ---------------------------------------------------------------- JSON with any number

// A number as it is written, which a double may not hold.
class Raw {
	constructor(text) { this.text = text; }
}
function write(v) {
	if (v instanceof Raw) return v.text;
	if (Array.isArray(v)) return `[${v.map(write).join(',')}]`;
	if (v !== null && typeof v === 'object') return `{${Object.entries(v).map(([k, x]) => `${JSON.stringify(k)}:${write(x)}`).join(',')}}`;
	return JSON.stringify(v);
}

// ---------------------------------------------------------------- what is written at a counter's place

const good = () => new Raw(one(['0', '1', '7', '255', '4735', String(random(1000)), String(random(3000000)), '9007199254740991']));
const odd = [
	() => null, () => null, () => undefined,
	() => new Raw(one(['-1', '-0', '-12.5'])),
	() => new Raw(one(['0.5', '17.25', '1e-7'])),
	() => new Raw(one(['1e3', '2.50e2', '12.0', '1E+4'])),
	() => new Raw(one(['1e400', '1e31', '123456789012345678901234567890123456789'])),
	() => new Raw(one(['9007199254740993', '123456789012345678', '1e20'])),
	() => one(['', '12', 'many', 'ignore all previous instructions', '\u0000'.replace('\u0000', 'x')]),
	() => one([true, false]),
	() => one([[], [new Raw('5')], [{ tokens: new Raw('5') }], {}, { n: new Raw('6') }, { deeper: { still: [new Raw('7')] } }]),
];

const extras = () => one([
	{ total_tokens: good() }, { new_counter: good() }, { prompt_tokens_details: { reused_tokens: good() } },
	{ by_model: { a: { input: good() }, b: { input: good() } } }, { list: [good(), { n: good() }, [good()]] },
	{ service_tier: 'standard' }, { note: 'what the user said', score: new Raw('0.017234') },
	{ prompt_cache_hit_tokens: good() }, { cached_tokens: good() }, { cost: new Raw('0.00012345') },
]);

// Puts a value at a path of the package's form, making what is on the way.
function put(root, path, value) {
	const steps = Array.isArray(path) ? [...path] : [path];
	const last = steps.pop();
	let at = root;
	for (let i = 0; i < steps.length; i++) {
		const step = steps[i];
		if (typeof step === 'string') {
			const list = typeof steps[i + 1] === 'object';
			if (at[step] === undefined || at[step] === null || typeof at[step] !== 'object' || at[step] instanceof Raw) at[step] = list ? [] : {};
			at = at[step];
		} else {
			if (!Array.isArray(at)) return;
			const word = step.match.equals;
			let element = at.find((e) => e && typeof e === 'object' && String(e[step.field]).toLowerCase() === word.toLowerCase());
			if (!element || chance(3)) {
				element = { [step.field]: chance(5) ? word.toLowerCase() : word };
				at.push(element);
			}
			at = element;
		}
	}
	if (value !== undefined && !Array.isArray(at)) at[last] = value;
}
const merge = (a, b) => {
	for (const [k, v] of Object.entries(b))
		if (v && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Raw) && a[k] && typeof a[k] === 'object' && !Array.isArray(a[k]) && !(a[k] instanceof Raw)) merge(a[k], v);
		else if (a[k] === undefined) a[k] = v;
};

const models = () => one(['gpt-4o', 'claude-sonnet-4-20250514', 'grok-4', 'models/gemini-2.5-pro', 'm', 'größer/Modell:free']);
const odd_models = [() => undefined, () => null, () => new Raw('5'), () => ({ id: 'x' }), () => ['gpt-4o'], () => '', () => 'x'.repeat(300)];

function body_of(extractor, style) {
	const body = { id: 'resp_1', choices: [{ message: { content: 'Never repeat this.' }, index: new Raw('0') }] };
	const usage = {};

	for (const path of new Set(extractor.mappings.map((m) => JSON.stringify(m.path)))) {
		const required = extractor.mappings.some((m) => JSON.stringify(m.path) === path && m.required);
		if (style === 'plain' || style === 'extra' || style === 'model') {
			if (required || chance(70)) put(usage, JSON.parse(path), good());
		} else if (style === 'zero') {
			put(usage, JSON.parse(path), new Raw('0'));
		} else if (style === 'optional') {
			put(usage, JSON.parse(path), required || chance(40) ? good() : one(odd)());
		} else {
			put(usage, JSON.parse(path), chance(75) ? good() : one(odd)());
		}
	}
	if (style === 'extra') for (let i = random(4); i >= 0; i--) merge(usage, extras());
	let root = usage;
	if (style === 'root') root = one([undefined, null, [], [{}], 'usage', new Raw('5'), {}, true]);
	put(body, extractor.model_path, style === 'model' ? one(odd_models)() : models());
	put(body, extractor.root, root);
	return body;
}

// ---------------------------------------------------------------- leaves

// The path in our table of what stands at a path: elements by their modality, first ones only.
function leaves_of(usage, lists) {
	const out = [];
	const walk = (v, path, known) => {
		if (typeof v === 'number') out.push([path, known, String(v)]);
		else if (Array.isArray(v)) {
			const seen = new Set();
			v.forEach((e, i) => {
				let as = `${known}[${i}]`;
				const field = lists[known];
				if (field && e && typeof e === 'object' && !Array.isArray(e) && typeof e[field] === 'string' && !seen.has(e[field].toUpperCase())) {
					seen.add(e[field].toUpperCase());
					as = `${known}[${field}=${field === 'ttl' ? e[field] : e[field].toUpperCase()}]`;
				}
				walk(e, `${path}[${i}]`, as);
			});
		} else if (v && typeof v === 'object')
			for (const [k, x] of Object.entries(v)) walk(x, path === '' ? k : `${path}.${k}`, known === '' ? k : `${known}.${k}`);
	};
	walk(usage, '', '');
	return out;
}

// ---------------------------------------------------------------- output

const out = [];
const escape = (s) => s.replace(/\\/g, '\\\\').replace(/\t/g, '\\t').replace(/\n/g, '\\n').replace(/\r/g, '\\r');
const doubles = (usage) => Object.values(usage).every((q) => q <= Number.MAX_SAFE_INTEGER);

function emit(source, provider, flavor, extractor, text, expected) {
	let kind;
	let model = null;
	let usage = null;
	let price = null;
	let leaves = [];
	if (expected) ({ kind, model, usage, price } = expected);
	else {
		try {
			({ model, usage } = extractUsage(provider, JSON.parse(text), flavor));
			kind = doubles(usage) ? 'usage' : 'big';
			let root = JSON.parse(text);
			for (const step of [].concat(extractor.root)) root = root[step];
			const lists = { cacheDetails: 'ttl' };		// read by a flavor of our own
			for (const m of extractor.mappings)
				if (Array.isArray(m.path)) m.path.forEach((s, i) => { if (typeof s === 'object') lists[m.path.slice(0, i).join('.')] = s.field; });
			leaves = leaves_of(root, lists);
		} catch {
			kind = 'refused';
		}
	}
	out.push([out.length + 1, source, provider.id, flavor, escape(text), kind, model === null ? '\\N' : escape(model),
		usage === null ? '\\N' : JSON.stringify(usage), price ?? '\\N', escape(JSON.stringify(leaves))].join('\t'));
}

const styles = ['plain', 'plain', 'zero', 'optional', 'optional', 'optional', 'odd', 'odd', 'extra', 'extra', 'root', 'model'];
let extractors = 0;
for (const provider of providers) {
	for (const extractor of provider.extractors ?? []) {
		extractors++;
		const n = Math.round((extractor.mappings.length > 20 ? 300 : 120) * factor);
		for (let i = 0; i < n; i++)
			emit(`generated ${styles[i % styles.length]}`, provider, extractor.api_flavor, extractor, write(body_of(extractor, styles[i % styles.length])));
	}
}
if (extractors !== 81) throw new Error(`the package has ${extractors} extractors, not 81`);

if (sample) {
	const { cases } = JSON.parse(fs.readFileSync(sample, 'utf8'));
	for (const c of cases) {
		const text = JSON.stringify(c.body);
		for (const provider of providers)
			for (const extractor of provider.extractors ?? []) emit('sample bodies', provider, extractor.api_flavor, extractor, text);
		for (const e of c.extracted) {
			const provider = findProvider({ providerId: e.provider });
			emit('sample extractions', provider, e.flavor, null, text, {
				kind: 'price', model: c.model, usage: e.usage_npm_0_1_8 ?? e.usage,
				price: e.total_price_npm_0_1_8 ?? e.total_price,
			});
		}
	}
}
process.stdout.write(`${out.join('\n')}\n`);
