// What the pricing tests compute with: decimals as fractions of BigInt, and a
// generator that draws the same numbers on every machine.

export function rational(number) {		// a double, by its shortest decimal form
	const [mantissa, exponent = '0'] = String(number).split('e');
	const [whole, fraction = ''] = mantissa.split('.');
	let num = BigInt(whole + fraction);
	let den = 1n;
	const shift = Number(exponent) - fraction.length;
	if (shift >= 0) num *= 10n ** BigInt(shift);
	else den = 10n ** BigInt(-shift);
	return [num, den];
}

export function halfEven(num, den) {
	const q = num / den;
	const twice = 2n * (num % den);
	return twice > den || (twice === den && q % 2n === 1n) ? q + 1n : q;
}

export function decimal(value) {		// of 1e-12
	const s = value.toString().padStart(13, '0');
	return `${s.slice(0, -12)}.${s.slice(-12)}`;
}

export const micro = (quantity) => {
	const [num, den] = rational(quantity);
	if ((num * 1000000n) % den !== 0n) throw new Error(`quantity ${quantity} has more than 6 decimals`);
	return (num * 1000000n) / den;
};

// 0 .. n - 1, one of a list, true in so many of a hundred cases
export function generator(seed) {
	let state = BigInt(seed);
	const random = (n) => {
		state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
		return Number((state >> 33n) % BigInt(n));
	};
	return { random, one: (list) => list[random(list.length)], chance: (percent) => random(100) < percent };
}
