// Proof of work: a nonce for which SHA-256 of "salt:nonce" begins with so many zero bits.
//
// SHA-256 is written out: for inputs of one block it is several times faster than crypto.subtle with its promise each, and it is
// there over plain http too. The work is done in slices, so that the page goes on answering keys.

const primes: number[] = [];
for (let n = 2; primes.length < 64; n += 1) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
// The first 32 bits of the fractional parts of the roots (FIPS 180-4, 4.2.2 and 5.3.3).
const fraction = (root: number): number => ((root % 1) * 2 ** 32) | 0;
const kRounds = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const kStart = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const turn = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

const w = new Int32Array(64);
export function sha256(octets: Uint8Array): Int32Array {
  const blocks = (octets.length + 72) >> 6;
  const padded = new DataView(new ArrayBuffer(blocks * 64));
  octets.forEach((octet, at) => padded.setUint8(at, octet));
  padded.setUint8(octets.length, 0x80);
  padded.setUint32(blocks * 64 - 4, octets.length * 8);
  const hash = Int32Array.from(kStart);
  for (let block = 0; block < blocks; block += 1) {
    for (let at = 0; at < 16; at += 1) w[at] = padded.getInt32(block * 64 + at * 4);
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
    [a, b, c, d, e, f, g, h].forEach((each, at) => { hash[at]! += each; });
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
  const encoder = new TextEncoder();
  for (let nonce = 0; world.wanted();) {
    for (const until = world.nowMs() + kSliceMs; world.nowMs() < until;) {
      for (let end = nonce + 64; nonce < end; nonce += 1) {
        if (zeroBits(sha256(encoder.encode(`${salt}:${nonce}`))) >= bits) return String(nonce);
      }
    }
    await world.rest();
  }
  return undefined;
}
