// What the oracle knows and does not export: its units, and the amounts that it
// computes in floats, computed exactly.  The rates are the ones that it reports
// (model_price); leaf quantities, tiers and sums are worked out here once more, in
// rational arithmetic over BigInt, each component rounded once, half to even, to 1e-12.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { halfEven, micro, rational } from './exact.mjs';

// ---------------------------------------------------------------- units
//
// Its registry: name -> dimensions, per, price key.

function registry() {
	const path = fileURLToPath(new URL('node_modules/@pydantic/genai-prices/dist/index.js', import.meta.url));
	const text = fs.readFileSync(path, 'utf8');
	const start = text.indexOf('{\n  audio_seconds: {\n    dimensions:');
	const end = text.indexOf('\n};', start);
	if (start < 0 || end < 0) throw new Error('the package does not hold its units where they were');
	return Function(`return ${text.slice(start, end)}\n}`)();
}
export const units = registry();
export const names = Object.keys(units);
export const byKey = Object.fromEntries(names.map((n) => [units[n].price_key ?? n, n]));
export const contains = (a, b) => a !== b && Object.entries(units[a].dimensions).every(([k, v]) => units[b].dimensions[k] === v);
export const below = Object.fromEntries(names.map((a) => [a, names.filter((b) => contains(a, b))]));

// ---------------------------------------------------------------- exact amounts

// What is billed at each price but that of requests, in millionths.
function leafs(usage, prices) {
	const priced = Object.keys(prices).filter((k) => byKey[k] && byKey[k] !== 'requests').map((k) => byKey[k]);
	priced.sort((a, b) => Object.keys(units[b].dimensions).length - Object.keys(units[a].dimensions).length);
	const leaf = {};
	for (const unit of priced) {
		leaf[unit] = micro(usage[unit] ?? 0);
		for (const other of below[unit]) if (leaf[other] !== undefined) leaf[unit] -= leaf[other];
	}
	return leaf;
}
export const negative = (usage, prices) => Object.values(leafs(usage, prices)).some((q) => q < 0n);

// The components of what was used, their sum, and whether anything was rounded.
export function exact(usage, prices, minimum, requests = 1) {
	const leaf = leafs(usage, prices);
	if (minimum && usage.audio_seconds > 0 && usage.audio_seconds < minimum)
		leaf.audio_seconds += micro(minimum) - micro(usage.audio_seconds);
	if ('requests_kcount' in prices) leaf.requests = micro(requests);
	const components = {};
	let total = 0n;
	let rounded = false;
	for (const [key, price] of Object.entries(prices)) {
		const unit = byKey[key];
		if (!unit) continue;
		let rate = price;
		if (typeof price === 'object') {
			rate = price.base;
			for (const tier of [...price.tiers].sort((a, b) => a.start - b.start))
				if ((usage.input_tokens ?? 0) > tier.start) rate = tier.price;
		}
		const [num, den] = rational(rate);
		const n = leaf[unit] * num * 10n ** 12n;
		const d = den * BigInt(units[unit].per) * 1000000n;
		if (n % d !== 0n) rounded = true;
		if (leaf[unit] === 0n) continue;
		components[unit] = halfEven(n, d);
		total += components[unit];
	}
	return { total, rounded, components };
}

// Do they agree to nine digits, but for what rounding that many components makes?
export function close(total, price, components = 1) {
	const float = Number(total) / 1e12;
	return Math.abs(float - price) <= 1e-9 * Math.max(1e-3, Math.abs(float)) + 5e-13 * components;
}

// A positive unit that no price and no priced ancestor covers.
export function uncovered(usage, prices) {
	const priced = Object.keys(prices).map((k) => byKey[k]).filter(Boolean);
	return Object.keys(usage).some((u) => usage[u] > 0 && u !== 'requests' && !priced.includes(u) && !priced.some((p) => below[p].includes(u)));
}
