// NumPy's random numbers, so that a seed means the same here as in Python: BLAKE2b names a stream,
// SeedSequence seeds it, PCG64 draws, the ziggurat makes normals in single precision.
const M64 = (1n << 64n) - 1n
const IV = ['6a09e667f3bcc908', 'bb67ae8584caa73b', '3c6ef372fe94f82b', 'a54ff53a5f1d36f1', '510e527fade682d1',
            '9b05688c2b3e6c1f', '1f83d9abfb41bd6b', '5be0cd19137e2179'].map(o => BigInt('0x' + o))
const SIGMA = ['0123456789abcdef', 'ea489fd61c02b753', 'b8c052fdae367194', '7931dcbe265a40f8', '905724afe1bc683d',
               '2c6a0b834d75fe19', 'c51fed4a0763928b', 'db7ec13950f4862a', '6fe9b308c2d714a5', 'a2847615fb9e3cd0']
const QUARTERS = ['048c', '159d', '26ae', '37bf', '05af', '16bc', '278d', '349e'].map(o => [...o].map(c => parseInt(c, 16)))

// A seed of 32 bits that belongs to one draw alone: the first four bytes of BLAKE2b, of up to 128 bytes of text
function stream(seed, name) {
  const text = new TextEncoder().encode(`${name} ${seed}`), block = new Uint8Array(128), h = [...IV]
  if (text.length > 128) throw Error('stream: expected a shorter name')
  block.set(text)
  const m = [...new BigUint64Array(block.buffer)], rotr = (x, n) => (x >> n | x << (64n - n)) & M64
  h[0] ^= 0x01010004n                                    // no key, four bytes of digest
  const v = [...h, ...IV]
  v[12] ^= BigInt(text.length)
  v[14] ^= M64
  for (let r = 0; r < 12; r++)
    QUARTERS.forEach(([a, b, c, d], i) => {
      const at = k => m[parseInt(SIGMA[r % 10][2 * i + k], 16)]
      for (const [k, n, o] of [[0, 32n, 24n], [1, 16n, 63n]]) {
        v[a] = (v[a] + v[b] + at(k)) & M64
        v[d] = rotr(v[d] ^ v[a], n)
        v[c] = (v[c] + v[d]) & M64
        v[b] = rotr(v[b] ^ v[c], o)
      }
    })
  return Number((h[0] ^ v[0] ^ v[8]) & 0xffffffffn)
}

function seedState(seed) {
  let c = 0x43b0d7e5
  const shift = x => (x ^ x >>> 16) >>> 0
  const hashed = x => { x ^= c; c = Math.imul(c, 0x931e8875); return shift(Math.imul(x, c)) }
  const pool = [hashed(seed), hashed(0), hashed(0), hashed(0)]
  for (let i = 0; i < 4; i++)
    for (let j = 0; j < 4; j++)
      if (i != j) pool[j] = shift((Math.imul(0xca01f9dd, pool[j]) - Math.imul(0x4973f715, hashed(pool[i]))) | 0)
  c = 0x8b51f9dd
  const words = Array.from({length: 8}, (_, i) => {
    let x = pool[i % 4] ^ c
    c = Math.imul(c, 0x58f38ded)
    return BigInt(shift(Math.imul(x, c)))
  })
  return [0, 2, 4, 6].map(i => words[i] | words[i + 1] << 32n)
}

const STEP = 0x2360ed051fc65da44385df649fccf645n
const f32 = Math.fround

class Random {
  constructor(seed, name) {                              // without a name the seed is taken as it is
    const [a, b, c, d] = seedState(name ? stream(seed, name) : seed)
    this.inc = BigInt.asUintN(128, (c << 64n | d) << 1n | 1n)
    this.state = BigInt.asUintN(128, this.inc + (a << 64n | b))
    this.step()
    this.spare = -1
  }
  step() { this.state = BigInt.asUintN(128, this.state * STEP + this.inc) }
  bits64() {
    this.step()
    const x = BigInt.asUintN(64, this.state >> 64n ^ this.state), n = this.state >> 122n
    return BigInt.asUintN(64, x >> n | x << (64n - n))
  }
  bits32() {
    if (this.spare >= 0) { const x = this.spare; this.spare = -1; return x }
    const x = this.bits64()
    this.spare = Number(x >> 32n)
    return Number(x & 0xffffffffn)
  }
  double() { return Number(this.bits64() >> 11n) / 2 ** 53 }
  float() { return (this.bits32() >>> 8) / 2 ** 24 }
  below(n) {                                             // a whole number, by Lemire's method
    if (n == 1) return 0
    const size = BigInt(n)
    let m = BigInt(this.bits32()) * size
    if ((m & 0xffffffffn) < size) {
      const least = (0x100000000n - size) % size
      while ((m & 0xffffffffn) < least) m = BigInt(this.bits32()) * size
    }
    return Number(m >> 32n)
  }
  permutation(n) {
    const a = Array.from({length: n}, (_, i) => i)
    for (let i = n - 1; i > 0; i--) {
      const mask = 2 ** (32 - Math.clz32(i)) - 1
      let j
      do j = (this.bits32() & mask) >>> 0; while (j > i)
      ;[a[i], a[j]] = [a[j], a[i]]
    }
    return a
  }
  normal() {
    const {x: width, k: inside, y: height} = ZIGGURAT
    for (;;) {
      const r = this.bits32(), i = r & 255, size = r >>> 9 & 0x7fffff
      const x = f32(f32(size) * width[i]), signed = r >>> 8 & 1 ? -x : x
      if (size < inside[i]) return signed
      if (i == 0) for (;;) {                             // the tail
        const a = f32(-f32(1 / 3.6541528853610088) * f32(Math.log1p(-this.float())))
        const b = f32(-Math.log1p(-this.float()))
        if (f32(b + b) > f32(a * a)) { const t = f32(f32(3.6541528853610088) + a); return size >>> 8 & 1 ? -t : t }
      }
      if (f32(f32(f32(height[i - 1] - height[i]) * this.float()) + height[i]) < Math.exp(-.5 * x * x)) return signed
    }
  }
  normals(n) { return Float32Array.from({length: n}, () => this.normal()) }
  floats(n) { return Float32Array.from({length: n}, () => this.float()) }
}
const normal = (seed, name, n) => new Random(seed, name).normals(n)
