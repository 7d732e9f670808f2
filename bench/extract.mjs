// The oracle's side of the extraction benchmark: extracts the usage of the
// bodies of a file (COPY text of tools/extract.mjs) again and again in one
// process.
//
//     node bench/extract.mjs DIR FILE SECONDS parsed|text    DIR: where its node_modules are
//
// Prints bodies a second.  parsed: the bodies are objects before the clock
// runs; text: JSON.parse is part of the work.  One pass warms up the compiler.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [dir, file, seconds, how] = process.argv.slice(2);
const { extractUsage, findProvider } = await import(pathToFileURL(path.resolve(dir, 'node_modules/@pydantic/genai-prices/dist/index.js')));
console.warn = () => {};

const cases = fs.readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => {
	const [, , provider, flavor, body] = line.split('\t');
	const text = body.replace(/\\\\/g, '\\');
	return { provider: findProvider({ providerId: provider }), flavor, text, body: JSON.parse(text) };
});

function pass() {
	let found = 0;
	for (const c of cases) if (extractUsage(c.provider, how === 'text' ? JSON.parse(c.text) : c.body, c.flavor).usage) found++;
	return found;
}

if (pass() !== cases.length) throw new Error('a body without usage');
const started = process.hrtime.bigint();
let done = 0;
let elapsed = 0;
do {
	done += pass();
	elapsed = Number(process.hrtime.bigint() - started) / 1e9;
} while (elapsed < Number(seconds));
console.log(Math.round(done / elapsed));
