// Proof of work: a nonce for which SHA-256 of "salt:nonce" begins with so many zero bits.
//
// SHA-256 is written out: for inputs of one block it is two to four times faster than crypto.subtle with a promise for each (in
// Chromium 330,000 a second against 80,000 to 150,000), and it is there over plain http too. The work is done in slices, so that the
// page goes on answering keys.

const primes: number[] = [];
for (let n = 2; primes.length < 64; n += 1) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
// The first 32 bits of the fractional parts of the roots (FIPS 180-4, 4.2.2 and 5.3.3).
const fraction = (root: number): number => ((root % 1) * 2 ** 32) | 0;
const kRounds = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const kStart = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
const turn = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

const w = new Int32Array(64);
let padded = new Uint8Array(64);
export function sha256(octets: Uint8Array): Int32Array {
  const size = ((octets.length + 72) >> 6) * 64;
  if (padded.length !== size) padded = new Uint8Array(size);
  padded.fill(0);
  padded.set(octets);
  padded[octets.length] = 0x80;
  for (let at = 0; at < 4; at += 1) padded[size - 1 - at] = (octets.length * 8) >>> (at * 8);
  const hash = kStart.slice();
  for (let block = 0; block < size; block += 64) {
    for (let at = 0; at < 16; at += 1) {
      const from = block + at * 4;
      w[at] = (padded[from]! << 24) | (padded[from + 1]! << 16) | (padded[from + 2]! << 8) | padded[from + 3]!;
    }
    for (let at = 16; at < 64; at += 1) {
      const near = w[at - 2]!;
      const far = w[at - 15]!;
      w[at] = (turn(near, 17) ^ turn(near, 19) ^ (near >>> 10)) + w[at - 7]! + (turn(far, 7) ^ turn(far, 18) ^ (far >>> 3)) + w[at - 16]!;
    }
    let [a, b, c, d, e, f, g, h] = hash as unknown as [number, number, number, number, number, number, number, number];
    for (let at = 0; at < 64; at += 1) {
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + kRounds[at]! + w[at]!) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    hash[0]! += a; hash[1]! += b; hash[2]! += c; hash[3]! += d; hash[4]! += e; hash[5]! += f; hash[6]! += g; hash[7]! += h;
  }
  return hash;
}

export function zeroBits(hash: Int32Array): number {
  let bits = 0;
  for (const word of hash) {
    bits += Math.clz32(word);
    if (word !== 0) break;
  }
  return bits;
}

const kSliceMs = 12;
export interface WorkWorld {
  nowMs(): number;
  rest(): Promise<void>; // let the page breathe
  wanted(): boolean; // false ends the work
}

export async function solve(salt: string, bits: number, world: WorkWorld): Promise<string | undefined> {
  const prefix = new TextEncoder().encode(`${salt}:`);
  const octets = new Uint8Array(prefix.length + 20);
  octets.set(prefix);
  const hashOf = (nonce: number): Int32Array => {
    const digits = String(nonce);
    for (let at = 0; at < digits.length; at += 1) octets[prefix.length + at] = digits.charCodeAt(at);
    return sha256(octets.subarray(0, prefix.length + digits.length));
  };
  for (let nonce = 0; world.wanted();) {
    for (const until = world.nowMs() + kSliceMs; world.nowMs() < until;) {
      for (let end = nonce + 64; nonce < end; nonce += 1) {
        if (zeroBits(hashOf(nonce)) >= bits) return String(nonce);
      }
    }
    await world.rest();
  }
  return undefined;
}
