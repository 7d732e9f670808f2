// The oracle's side of the pricing benchmark: prices the cases of a file
// (COPY text of tools/differential.mjs) again and again in one process.
//
//     node bench/pricing.mjs DIR FILE SECONDS      DIR: where its node_modules are
//
// Prints usages a second.  Usages and times are parsed before the clock runs;
// one pass over the cases warms up the compiler.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [dir, file, seconds] = process.argv.slice(2);
const { calcPrice } = await import(pathToFileURL(path.resolve(dir, 'node_modules/@pydantic/genai-prices/dist/index.js')));
console.warn = () => {};

const cases = fs.readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => {
	const [, provider, model, usage, at] = line.split('\t');
	return { usage: JSON.parse(usage), model: model.replace(/\\\\/g, '\\'), options: { providerId: provider, timestamp: new Date(at) } };
});

function pass() {
	let total = 0;
	for (const c of cases) total += calcPrice(c.usage, c.model, c.options).total_price;
	return total;
}

pass();
const started = process.hrtime.bigint();
let done = 0;
let elapsed = 0;
do {
	pass();
	done += cases.length;
	elapsed = Number(process.hrtime.bigint() - started) / 1e9;
} while (elapsed < Number(seconds));
console.log(Math.round(done / elapsed));
